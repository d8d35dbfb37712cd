/*
 * split [--conf DIR] [--seeds N] [--seed FIRST] [--verbose]: an agency whose database was copied
 * goes on twice, under one seal key, with one peer each, in worlds of three whole nodes. Both
 * halves are honest software and no two peers hold checkpoints of one size; when the peers have
 * talked to each other, each finds the split with the proof that its own half gives, and what it
 * keeps convinces anybody who has the agency's key.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "given.h"
#include "inspect.h"
#include "ledger/evidence.h"
#include "store/store.h"
#include "story.h"

static bool verbose;

static void take_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (verbose)
		fprintf(stderr, "log: %s\n", line);
}

/* The agency's disk, as it goes on with @p with and without the third. */
static void live_with(struct story *s, const struct disk_image *image, size_t with, unsigned n)
{
	const size_t without = with == SK ? AT : SK;
	struct agency *cz = &s->w.agency[CZ];

	disk_load(cz->disk, image);
	for (size_t i = SK; i < N; i++)
		s->w.route[CZ][i].no_dial = s->w.route[i][CZ].no_dial = i == without;
	world_start(cz);
	MUST(&s->w, cz->node);
	for (unsigned i = 0; i < n; i++)
		story_refer(s, CZ, with);
	story_rest(&s->w);
}

static struct disk_image *leave(struct agency *a)
{
	world_stop(a, POWER_KEPT);
	return disk_save(a->disk);
}

static uint64_t n_incidents(const struct agency *a)
{
	uint64_t n;

	MUST(a->world, incident_count(inspect_node(a->node).store, &n) == ERR_OK);
	return n;
}

/* What @p a holds of cz. */
static const struct peer_row *held_of_cz(struct agency *a, const struct verify_key **ret_key)
{
	const struct agency_id *cz = &a->world->agency[CZ].id;

	for (size_t i = 0; i < inspect_node(a->node).n_peer; i++) {
		bool is_connected;
		const struct peer_row *row = inspect_peer(a->node, i, &is_connected);

		*ret_key = inspect_peer_key(a->node, i);
		if (agency_id_eq(&row->agency, cz))
			return row;
	}
	world_broken(a->world, "it has no such peer", __FILE__, __LINE__);
}

static uint64_t size_held(struct agency *a)
{
	const struct verify_key *key;

	return held_of_cz(a, &key)->held_size;
}

/* Found, stopped, and kept so that nothing but cz's key is needed to see it. */
static void must_have_found(struct agency *a)
{
	struct world *w = a->world;
	struct buf note = {0}, text = {0};
	const struct verify_key *key;
	const struct peer_row *row = held_of_cz(a, &key);

	MUST(w, n_incidents(a) == 1);
	MUST(w, story_peer_is(a, &w->agency[CZ], "stopped"));
	inspect_incident(a->node, &note, &text);
	MUST(w, evidence_split_check(buf_view(&note), buf_view(&text), row->origin, key) == ERR_OK);
	buf_fini(&note);
	buf_fini(&text);
}

/* The two that hold one half each say Hello to each other again. */
static void talk(struct story *s)
{
	world_cut(&s->w, SK, AT);
	story_rest(&s->w);
	MUST(&s->w, story_peer_is(&s->w.agency[SK], &s->w.agency[AT], "connected"));
}

static void a_copy_goes_on(uint64_t seed)
{
	static struct story s;
	struct disk_image *both, *with_sk, *with_at;
	struct agency *cz, *sk, *at;
	uint64_t smaller, greater;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	sk = &s.w.agency[SK];
	at = &s.w.agency[AT];
	story_refer(&s, CZ, SK);
	story_refer(&s, CZ, AT);
	story_rest(&s.w);
	both = leave(cz);
	live_with(&s, both, SK, 1 + (unsigned)(seed % 3));
	with_sk = leave(cz);
	live_with(&s, both, AT, 6 + (unsigned)(seed % 4));
	with_at = leave(cz);
	smaller = size_held(sk);
	greater = size_held(at);
	MUST(&s.w, smaller < greater);

	talk(&s);
	MUST(&s.w, n_incidents(sk) == 0 && n_incidents(at) == 0); /* nobody can tell yet */
	/* the smaller half proves nothing before it has grown */
	live_with(&s, with_sk, SK, 0);
	MUST(&s.w, n_incidents(sk) == 0);
	disk_image_free(leave(cz));
	live_with(&s, with_sk, SK, 12);
	must_have_found(sk);
	MUST(&s.w, size_held(sk) == smaller); /* nothing of that batch was taken */
	disk_image_free(leave(cz));
	/* the greater one proves it as soon as it is asked, without anything to send */
	live_with(&s, with_at, AT, 0);
	must_have_found(at);
	disk_image_free(both);
	disk_image_free(with_sk);
	disk_image_free(with_at);
	world_fini(&s.w);
}

/* The same, but it is one ledger: a disk that moved. Nobody finds anything, all is proven. */
static void a_disk_moves(uint64_t seed)
{
	static struct story s;
	struct disk_image *image;
	struct agency *cz;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	story_refer(&s, CZ, SK);
	story_rest(&s.w);
	for (unsigned i = 0; i < 6; i++) {
		image = leave(cz);
		live_with(&s, image, i % 2 ? SK : AT, 1 + i % 3);
		disk_image_free(image);
		talk(&s);
	}
	for (size_t i = SK; i < N; i++) {
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_peer_show ask = PB_PEER_SHOW_INIT;
		struct agency *a = &s.w.agency[i];
		struct reply_list *l;

		image = leave(cz);
		live_with(&s, image, i, 0);
		disk_image_free(image);
		MUST(&s.w, n_incidents(a) == 0 && story_peer_is(a, cz, "connected"));
		ask.peer = cz->id.text;
		m.peer_show = &ask;
		l = story_ask(a, &m);
		MUST(&s.w, l->reply[0]->peer_detail && !l->reply[0]->peer_detail->has_n_unproven);
		reply_list_free(l);
	}
	world_fini(&s.w);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
						{"seeds", required_argument, NULL, 'n'},
						{"seed", required_argument, NULL, 's'},
						{"verbose", no_argument, NULL, 'v'},
						{NULL, 0, NULL, 0}};
	const char *conf = "conf";
	uint64_t n = 5, first = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			conf = optarg;
		else if (c == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (c == 's')
			first = strtoull(optarg, NULL, 10);
		else if (c == 'v')
			verbose = true;
		else
			return 2;
	}
	log_set_sink(take_line, NULL);
	if (crypto_init() || store_init())
		return 2;
	given_load(conf);
	for (uint64_t seed = first; seed < first + n; seed++) {
		a_copy_goes_on(seed);
		a_disk_moves(seed);
	}
	given_free();
	crypto_fini();
	printf("split: seeds %llu..%llu hold\n", (unsigned long long)first,
	       (unsigned long long)(first + n - 1));
	return 0;
}
