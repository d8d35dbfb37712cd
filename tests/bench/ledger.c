/*
 * ledger FOLDER [entries=N] [slice=N] [group=N]: a ledger of entries without bodies, written by the
 * daemon's own store, tree and checkpoints to a real file, a slice after the other. A line of JSON
 * for each slice: rate, CPU, memory, disk, the time of one inclusion proof of any entry and of one
 * consistency proof from any size. The last line: loading the tree again, and all entries read,
 * parsed, hashed, and their tree against the signed checkpoint.
 *
 * ledger FOLDER proofs=1 [slice=N]: the same proofs in the ledger of a node that is stopped, FOLDER
 * its data, at each size of whole slices. It is read, not written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "bench/measure.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "node/tree.h"

#define PATH_MAX_HERE 4096
#define PROOFS 1000 /* a slice, of each kind */
#define START_US UINT64_C(1780300800000000)
#define ENTRY_US 1000 /* between two */
#define SEED_BYTES 32

struct bench {
	size_t n_entries, n_slice, n_group;
	size_t is_proofs; /* of a node's ledger */
	char path[PATH_MAX_HERE], wal[PATH_MAX_HERE];
	struct seal_key *key;
	struct origin origin;
	struct store *store;
	struct tree tree;
};

static void must(enum err e, const char *what)
{
	if (e)
		fail("%s: %s %s", what, err_name(e), err_detail());
}

static double disk_bytes(const char *path)
{
	struct stat s;

	return stat(path, &s) == 0 ? (double)s.st_size : 0;
}

static double pss_mb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %ld kB", &kib) != 1)
			kib = -1;
	if (!f || kib < 0)
		fail("no Pss in /proc/self/smaps_rollup");
	(void)fclose(f);
	return (double)kib / 1024;
}

/* --- writing --- */

static void open_store(struct bench *b, bool create)
{
	const struct store_options o = {.path = b->path, .create = create};

	must(store_open(&o, &b->store), "the database");
}

/* As who reads a record leaves behind: CONSULTED, without a body. */
static void append(struct bench *b)
{
	struct entry entry = {.time_us = START_US + b->tree.size * ENTRY_US,
			      .kind = PB(ENTRY_KIND, CONSULTED)};
	struct entry_row row = {.index = b->tree.size};
	struct buf bytes = {0};

	must(random_bytes(entry.nonce, sizeof(entry.nonce)), "random bytes");
	must(random_bytes(entry.local_digest.b, sizeof(entry.local_digest.b)), "random bytes");
	must(entry_encode(&entry, &bytes), "an entry");
	row.entry = buf_view(&bytes);
	row.leaf = merkle_leaf(row.entry);
	must(entry_put(b->store, &row), "an entry");
	must(tree_append(&b->tree, &row.leaf), "the tree");
	buf_fini(&bytes);
}

static void sign(struct bench *b)
{
	const struct checkpoint c = {
		.origin = b->origin, .size = b->tree.size, .root = tree_root(&b->tree)};
	struct buf note = {0};

	must(checkpoint_sign(&c, b->key, &note), "a checkpoint");
	must(own_checkpoint_put(b->store, 0, b->tree.size, buf_view(&note)), "a checkpoint");
	buf_fini(&note);
}

static void write_group(struct bench *b, size_t n)
{
	bool more = store_wal_is_long(b->store);

	must(store_begin(b->store), "a transaction");
	while (n--)
		append(b);
	sign(b);
	must(store_commit(b->store), "a commit");
	while (more)
		must(store_wal_step(b->store, &more), "the WAL");
}

/* --- proofs --- */

static uint64_t random_below(uint64_t n)
{
	uint64_t x;

	must(random_bytes(&x, sizeof(x)), "random bytes");
	return x % n;
}

/* Microseconds each, into s. */
static void prove(struct bench *b, uint64_t size, struct samples *inclusion,
		  struct samples *consistency)
{
	const struct tree_reader reader = tree_reader_of(&b->tree);
	struct proof proof;

	for (int i = 0; i < PROOFS; i++) {
		const uint64_t index = random_below(size);
		double begin = mono_s();

		must(merkle_prove_inclusion(&reader, index, size, &proof), "a proof");
		samples_add(inclusion, (mono_s() - begin) * 1e6);
		begin = mono_s();
		must(merkle_prove_consistency(&reader, index + 1, size, &proof), "a proof");
		samples_add(consistency, (mono_s() - begin) * 1e6);
	}
	samples_sort(inclusion);
	samples_sort(consistency);
}

static void slice(struct bench *b)
{
	struct samples inclusion = {0}, consistency = {0};
	const double cpu = own_cpu_s(), begin = mono_s();
	const uint64_t first = b->tree.size;
	double s, cpu_s;

	while (b->tree.size < first + b->n_slice) {
		const uint64_t left = first + b->n_slice - b->tree.size;

		write_group(b, left < b->n_group ? (size_t)left : b->n_group);
	}
	s = mono_s() - begin;
	cpu_s = own_cpu_s() - cpu;
	prove(b, b->tree.size, &inclusion, &consistency);
	printf("{\"entries\": %" PRIu64 ", \"entries_per_s\": %.0f, \"cpu_us_an_entry\": %.2f, "
	       "\"pss_mb\": %.1f, \"disk_bytes_an_entry\": %.0f, \"inclusion_p50_us\": %.1f, "
	       "\"inclusion_p99_us\": %.1f, \"consistency_p50_us\": %.1f, "
	       "\"consistency_p99_us\": %.1f}\n",
	       b->tree.size, (double)b->n_slice / s, cpu_s * 1e6 / (double)b->n_slice, pss_mb(),
	       (disk_bytes(b->path) + disk_bytes(b->wal)) / (double)b->tree.size,
	       samples_at(&inclusion, 0.5), samples_at(&inclusion, 0.99),
	       samples_at(&consistency, 0.5), samples_at(&consistency, 0.99));
	(void)fflush(stdout);
	samples_fini(&inclusion);
	samples_fini(&consistency);
}

/* Which of its ledgers the node writes to. */
static uint64_t epoch_of(struct store *s)
{
	struct buf name = {0}, origin = {0};
	struct agency_id agency;
	struct origin read;
	uint64_t epoch;

	must(store_meta_get(s, "agency", &name), "whose database it is");
	must(store_meta_get(s, "origin", &origin), "the ledger's origin");
	must(agency_id_parse(buf_view(&name), &agency), "whose database it is");
	must(origin_check(buf_view(&origin), &agency, &read, &epoch), "the ledger's origin");
	buf_fini(&name);
	buf_fini(&origin);
	return epoch;
}

/* That ledger, at the sizes that it once had. */
static void prove_stored(struct bench *b)
{
	uint64_t epoch, size;

	open_store(b, false);
	epoch = epoch_of(b->store);
	must(entry_count(b->store, epoch, &size), "the entries");
	must(tree_load(&b->tree, b->store, epoch, size), "the tree");
	for (uint64_t at = b->n_slice; at <= size; at += b->n_slice) {
		struct samples inclusion = {0}, consistency = {0};

		prove(b, at, &inclusion, &consistency);
		printf("{\"entries\": %" PRIu64 ", \"inclusion_p50_us\": %.1f, "
		       "\"inclusion_p99_us\": %.1f, \"consistency_p50_us\": %.1f, "
		       "\"consistency_p99_us\": %.1f}\n",
		       at, samples_at(&inclusion, 0.5), samples_at(&inclusion, 0.99),
		       samples_at(&consistency, 0.5), samples_at(&consistency, 0.99));
		samples_fini(&inclusion);
		samples_fini(&consistency);
	}
	store_close(b->store);
}

/* --- reading it all back --- */

static enum err check_entry(void *ctx, const struct entry_row *row)
{
	struct frontier *f = ctx;
	const struct digest leaf = merkle_leaf(row->entry);
	struct entry entry;
	enum err e = entry_decode(row->entry, &entry);

	if (e || !digest_eq(&leaf, &row->leaf) || row->index != f->size)
		return e ? err_trace(e) : err_new(ERR_STORAGE, "an entry without its leaf");
	frontier_append(f, &leaf, NULL, NULL);
	return ERR_OK;
}

static void read_back(struct bench *b)
{
	struct frontier f = {0};
	struct checkpoint c;
	struct buf note = {0};
	struct digest root;
	double begin = mono_s(), open_s, verify_s;
	uint64_t size;

	open_store(b, false);
	must(entry_count(b->store, 0, &size), "the entries");
	must(tree_load(&b->tree, b->store, 0, size), "the tree");
	open_s = mono_s() - begin;
	begin = mono_s();
	must(entry_walk(b->store, 0, 0, check_entry, &f), "the entries");
	must(own_checkpoint_get(b->store, 0, &size, &note), "the checkpoint");
	must(checkpoint_read(buf_view(&note), b->origin.text, seal_key_public(b->key), &c),
	     "the checkpoint");
	root = frontier_root(&f);
	if (c.size != f.size || !digest_eq(&c.root, &root))
		fail("the entries do not give the signed checkpoint");
	verify_s = mono_s() - begin;
	printf("{\"open_s\": %.4f, \"verified_entries_per_s\": %.0f}\n", open_s,
	       (double)f.size / verify_s);
	buf_fini(&note);
}

static void options(struct bench *b, int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "";

	if (argc < 2)
		fail("ledger FOLDER [entries=N] [slice=N] [group=N] [proofs=1]");
	for (int i = 2; i < argc; i++)
		if (!option_size(argv[i], "entries", &b->n_entries) &&
		    !option_size(argv[i], "slice", &b->n_slice) &&
		    !option_size(argv[i], "group", &b->n_group) &&
		    !option_size(argv[i], "proofs", &b->is_proofs))
			fail("%s: not an option", argv[i]);
	if (!b->n_slice || !b->n_group || b->n_entries < b->n_slice)
		fail("slice and group are 1 at least, entries a slice");
	if (snprintf(b->path, sizeof(b->path), "%s/" STORE_FILE_NAME, folder) >=
		    (int)sizeof(b->path) ||
	    snprintf(b->wal, sizeof(b->wal), "%s-wal", b->path) >= (int)sizeof(b->wal))
		fail("%s: too long", folder);
}

int main(int argc, char **argv)
{
	struct bench b = {.n_entries = 1000000, .n_slice = 100000, .n_group = 100};
	struct agency_id agency;
	uint8_t seed[SEED_BYTES];

	options(&b, argc, argv);
	must(crypto_init(), "the libraries");
	if (b.is_proofs) {
		prove_stored(&b);
		crypto_fini();
		return 0;
	}
	must(agency_id_parse(view_str("spiffe://ochrana.cz.example/central-authority"), &agency),
	     "an agency");
	origin_make(&b.origin, &agency, START_US / 1000000);
	must(random_bytes(seed, sizeof(seed)), "random bytes");
	must(seal_key_from_seed(seed, &b.key), "a key");
	open_store(&b, true);
	must(tree_load(&b.tree, b.store, 0, 0), "the tree");
	for (size_t n = 0; n < b.n_entries / b.n_slice; n++)
		slice(&b);
	store_close(b.store);
	read_back(&b);
	store_close(b.store);
	seal_key_free(b.key);
	crypto_fini();
	return 0;
}
