/*
 * rollback [--conf DIR] [--verbose] (AMPARO_QUICK: one seed): an agency's database is lost and an
 * old backup put back, in worlds of three whole nodes. It must sign nothing, say why, and after
 * `ledger new-epoch` and the peers' `peer accept-epoch` hold again every exchange that any peer
 * has; nothing acts twice, and all ledgers verify, the one before as well.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "given.h"
#include "inspect.h"
#include "store/epoch_table.h"
#include "store/store.h"
#include "story.h"

#define ROWS_MAX 64

static bool verbose, quick;
static char why[] = "simulation";

static void take_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (verbose)
		fprintf(stderr, "log: %s\n", line);
}

/* --- what people do --- */

/* One entry, where an import makes two. */
static void consult(struct story *s, size_t i)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_show ask = PB_RECORD_SHOW_INIT;

	ask.has_record_id = 1;
	ask.record_id = message_borrow(view_of(s->record_id[i], 16));
	ask.reason = why;
	m.record_show = &ask;
	reply_list_free(story_ask(&s->w.agency[i], &m));
}

static struct reply_list *list(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list ask = PB_REFERRAL_LIST_INIT;

	m.referral_list = &ask;
	return story_ask(a, &m);
}

/* Decide all that waits for it. */
static void decide(struct agency *a, int state)
{
	struct reply_list *l = list(a);

	for (size_t i = 0; i < l->n; i++) {
		const struct pb_referral_row *row = l->reply[i]->referral;
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;

		if (!row || row->side != PB(LIST_SIDE, IN) ||
		    row->state != PB(REFERRAL_STATE, REQUESTED))
			continue;
		ask.has_id = ask.has_state = 1;
		ask.id = row->id;
		ask.state = (Amparo__V1__ReferralState)state;
		ask.reason = why;
		m.referral_decide = &ask;
		reply_list_free(story_ask(a, &m));
	}
	reply_list_free(l);
}

static void new_epoch(struct agency *a, struct reply_list **ret)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_ledger_new_epoch ask = PB_LEDGER_NEW_EPOCH_INIT;

	ask.reason = why;
	m.ledger_new_epoch = &ask;
	*ret = world_ask(a, &m);
}

static void accept_epoch(struct agency *a, struct agency *of)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_accept_epoch ask = PB_PEER_ACCEPT_EPOCH_INIT;

	ask.peer = of->id.text;
	ask.reason = why;
	m.peer_accept_epoch = &ask;
	reply_list_free(story_ask(a, &m));
}

static void resume(struct agency *a, struct agency *of)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_resume ask = PB_PEER_RESUME_INIT;

	ask.peer = of->id.text;
	ask.reason = why;
	m.peer_resume = &ask;
	reply_list_free(story_ask(a, &m));
}

static bool is_refused(struct reply_list *l)
{
	const bool is = l->n == 1 && l->reply[0]->error;

	reply_list_free(l);
	return is;
}

/* Every ledger that is held anywhere: all of its epochs. */
static void verify(struct world *w, size_t n_of_cz, size_t n_of_sk)
{
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++) {
			struct pb_api_request m = PB_API_REQUEST_INIT;
			struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
			struct reply_list *l;

			ask.peer = i == j ? NULL : w->agency[j].id.text;
			m.audit_verify = &ask;
			l = story_ask(&w->agency[i], &m);
			for (size_t k = 0; k < l->n; k++) {
				const struct pb_verify_result *r = l->reply[k]->verify;

				if (r && !r->ok)
					fprintf(stderr, "rollback: %s of %s: %s\n",
						w->agency[i].label, r->name, r->problem);
				MUST(w, r && r->ok);
			}
			MUST(w, l->n == (j == CZ ? n_of_cz : j == SK ? n_of_sk : 1));
			reply_list_free(l);
		}
}

/* --- the world --- */

struct backup {
	struct disk_image *image;
	uint8_t newest[8192], previous[8192];
	size_t n_newest, n_previous;
};

static void keep(struct agency *a, struct backup *b)
{
	world_stop(a, POWER_KEPT);
	b->image = disk_save(a->disk);
	world_start(a);
	story_rest(a->world);
}

/* The database goes back; last-signed, which lies elsewhere, only when it was in the backup. */
static void put_back(struct agency *a, const struct backup *b, bool with_last_signed)
{
	uint8_t newest[8192], previous[8192];
	struct view n, p;

	world_stop(a, POWER_KEPT);
	n = disk_signed_newest(a->disk);
	p = disk_signed_previous(a->disk);
	memcpy(newest, n.p, n.n);
	if (p.n)
		memcpy(previous, p.p, p.n);
	disk_load(a->disk, b->image);
	if (!with_last_signed)
		MUST(a->world, disk_signed_write(a->disk, view_of(newest, n.n),
						 view_of(previous, p.n)) == ERR_OK &&
				       disk_signed_sync(a->disk) == ERR_OK);
	world_start(a);
	MUST(a->world, a->node);
}

/* What an agency knows of its referrals. */
struct known {
	uint8_t id[ROWS_MAX][DIGEST_BYTES];
	int state[ROWS_MAX], side[ROWS_MAX];
	char delivery[ROWS_MAX][16];
	uint32_t n_disclosed[ROWS_MAX];
	size_t n;
};

static void note_known(struct agency *a, struct known *k)
{
	struct reply_list *l = list(a);

	k->n = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct pb_referral_row *row = l->reply[i]->referral;

		if (!row)
			continue;
		MUST(a->world, k->n < ROWS_MAX);
		memcpy(k->id[k->n], row->id.data, DIGEST_BYTES);
		k->state[k->n] = (int)row->state;
		k->side[k->n] = (int)row->side;
		k->n_disclosed[k->n] = row->n_disclosed;
		(void)snprintf(k->delivery[k->n], sizeof(k->delivery[0]), "%s", row->delivery);
		k->n++;
	}
	reply_list_free(l);
}

static size_t find(const struct known *k, const uint8_t *id)
{
	for (size_t i = 0; i < k->n; i++)
		if (memcmp(k->id[i], id, DIGEST_BYTES) == 0)
			return i;
	return SIZE_MAX;
}

/* The record of each is there as far as it was disclosed. */
static void must_show_all(struct agency *a, const struct known *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_referral_show ask = PB_REFERRAL_SHOW_INIT;
		const struct pb_referral_content *content;
		struct reply_list *l;

		ask.has_id = ask.has_content = 1;
		ask.id = message_borrow(view_of(k->id[i], DIGEST_BYTES));
		ask.content = 1;
		ask.reason = why;
		m.referral_show = &ask;
		l = story_ask(a, &m);
		content = l->reply[l->n - 1]->referral_content;
		MUST(a->world, content && content->terms && content->record);
		MUST(a->world, content->record->record.len > 0);
		MUST(a->world, content->record->n_disclosed >= k->n_disclosed[i]);
		reply_list_free(l);
	}
}

/* All of @p before stands in @p after, as it stood. */
static void must_hold_all(struct world *w, const struct known *before, const struct known *after)
{
	for (size_t i = 0; i < before->n; i++) {
		const size_t at = find(after, before->id[i]);

		MUST(w, at != SIZE_MAX);
		MUST(w, after->state[at] == before->state[i] && after->side[at] == before->side[i]);
		MUST(w, after->n_disclosed[at] == before->n_disclosed[i]);
		MUST(w, strcmp(after->delivery[at], before->delivery[i]) == 0);
	}
}

/* What each two say of what is between them. */
static void must_agree(struct world *w)
{
	struct known k[N];

	for (size_t i = 0; i < N; i++)
		note_known(&w->agency[i], &k[i]);
	for (size_t i = 0; i < N; i++)
		for (size_t r = 0; r < k[i].n; r++) {
			size_t n_holders = 0;

			for (size_t j = 0; j < N; j++) {
				const size_t at = find(&k[j], k[i].id[r]);

				if (at == SIZE_MAX)
					continue;
				n_holders++;
				MUST(w, k[j].state[at] == k[i].state[r]);
				MUST(w, k[j].n_disclosed[at] == k[i].n_disclosed[r]);
				MUST(w, i == j || k[j].side[at] != k[i].side[r]);
			}
			MUST(w, n_holders == 2);
		}
}

static void must_sign_nothing(struct agency *a)
{
	const uint64_t size = inspect_node(a->node).signed_size;
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt ask = PB_AGREEMENT_ADOPT_INIT;

	MUST(a->world, node_hold(a->node));
	ask.has_file = 1;
	ask.file = message_borrow(given_agreement());
	m.agreement_adopt = &ask;
	MUST(a->world, is_refused(world_ask(a, &m)));
	world_run(a->world, 2 * MINUTE_US);
	MUST(a->world, inspect_node(a->node).signed_size == size);
}

/* --- what happened between the backup and the loss --- */

static void live_on(struct story *s)
{
	struct agency *cz = &s->w.agency[CZ], *sk = &s->w.agency[SK], *at = &s->w.agency[AT];

	for (int i = 0; i < 4; i++) {
		story_refer(s, CZ, SK);
		story_refer(s, SK, CZ);
		story_refer(s, AT, CZ);
	}
	story_rest(&s->w);
	decide(sk, PB(REFERRAL_STATE, ACCEPTED));
	decide(cz, PB(REFERRAL_STATE, ACCEPTED));
	story_rest(&s->w);
	story_refer(s, CZ, SK);
	story_refer(s, CZ, AT);
	story_refer(s, SK, CZ);
	story_refer(s, AT, CZ);
	story_rest(&s->w);
	decide(at, PB(REFERRAL_STATE, DECLINED));
	decide(cz, PB(REFERRAL_STATE, DECLINED));
	story_rest(&s->w);
}

static void new_epoch_ok(struct agency *a)
{
	struct reply_list *l;

	new_epoch(a, &l);
	MUST(a->world, l->is_whole && !l->reply[0]->error);
	reply_list_free(l);
	MUST(a->world, !node_hold(a->node));
}

static void recover_all(struct story *s)
{
	struct agency *cz = &s->w.agency[CZ];
	struct reply_list *l;

	new_epoch_ok(cz);
	new_epoch(cz, &l); /* it is whole now */
	MUST(&s->w, is_refused(l));
	story_rest(&s->w);
	for (size_t i = SK; i < N; i++) {
		MUST(&s->w, story_peer_is(&s->w.agency[i], cz, "new-epoch"));
		MUST(&s->w, story_peer_is(cz, &s->w.agency[i], "recovering"));
	}
	for (size_t i = SK; i < N; i++)
		accept_epoch(&s->w.agency[i], cz);
	story_rest(&s->w);
	for (size_t i = SK; i < N; i++) {
		MUST(&s->w, story_peer_is(&s->w.agency[i], cz, "connected"));
		MUST(&s->w, story_peer_is(cz, &s->w.agency[i], "connected"));
	}
}

/* New exchanges, on agreements that are in force again. */
static void go_on(struct story *s)
{
	story_refer(s, CZ, SK);
	story_refer(s, SK, CZ);
	story_refer(s, AT, CZ);
	story_refer(s, CZ, AT);
	story_rest(&s->w);
	for (size_t i = 0; i < N; i++)
		decide(&s->w.agency[i], PB(REFERRAL_STATE, ACCEPTED));
	story_rest(&s->w);
	must_agree(&s->w);
}

/* --- the stories --- */

static void a_backup_is_put_back(uint64_t seed, bool with_last_signed)
{
	static struct story s;
	struct backup b = {0};
	struct known before, after;
	uint8_t record[sizeof(s.record_id[0])];
	struct agency *cz;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	story_refer(&s, CZ, SK);
	story_refer(&s, AT, CZ);
	story_rest(&s.w);
	decide(cz, PB(REFERRAL_STATE, ACCEPTED));
	story_rest(&s.w);
	keep(cz, &b);
	memcpy(record, s.record_id[CZ], sizeof(record));
	story_import(&s, CZ); /* what is disclosed of this one is all that will come back of it */
	live_on(&s);
	must_agree(&s.w);
	note_known(cz, &before);
	must_show_all(cz, &before);
	story_rest(&s.w);
	note_known(cz, &before); /* some are opened now */
	memcpy(s.record_id[CZ], record, sizeof(record));

	put_back(cz, &b, with_last_signed);
	/* what is beside the database says it at once; else the peers do */
	MUST(&s.w, (node_hold(cz->node) != NULL) == !with_last_signed);
	story_rest(&s.w);
	must_sign_nothing(cz);
	world_stop(cz, POWER_DROPPED);
	world_start(cz);
	MUST(&s.w, node_hold(cz->node)); /* before it has met anybody */
	must_sign_nothing(cz);
	recover_all(&s);
	note_known(cz, &after);
	must_hold_all(&s.w, &before, &after);
	MUST(&s.w, after.n == before.n);
	must_show_all(cz, &after);
	must_agree(&s.w);
	verify(&s.w, 2, 1);
	go_on(&s);
	verify(&s.w, 2, 1);
	world_stop(cz, POWER_DROPPED);
	world_start(cz);
	story_rest(&s.w);
	MUST(&s.w, !node_hold(cz->node));
	must_agree(&s.w);
	disk_image_free(b.image);
	world_fini(&s.w);
}

/* The one that begins anew dials nobody, as behind a firewall: it is the others that come to it. */
static void only_the_others_dial(uint64_t seed)
{
	static struct story s;
	struct backup b = {0};
	struct agency *cz;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	story_refer(&s, CZ, SK);
	story_rest(&s.w);
	keep(cz, &b);
	live_on(&s);
	story_rest(&s.w);
	for (size_t i = SK; i < N; i++)
		s.w.route[CZ][i].no_dial = true;
	put_back(cz, &b, false);
	story_rest(&s.w);
	must_sign_nothing(cz);
	recover_all(&s);
	must_agree(&s.w);
	go_on(&s);
	disk_image_free(b.image);
	world_fini(&s.w);
}

/* What a peer never got stands in the old ledger alone: it is written again. */
static void what_nobody_got_is_sent_again(uint64_t seed)
{
	static struct story s;
	struct backup b = {0};
	struct known at_at;
	struct agency *cz, *at;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	at = &s.w.agency[AT];
	story_refer(&s, AT, CZ);
	story_rest(&s.w);
	world_stop(at, POWER_KEPT);
	story_refer(&s, CZ, AT);
	story_refer(&s, CZ, AT);
	decide(cz, PB(REFERRAL_STATE, ACCEPTED));
	keep(cz, &b);
	story_refer(&s, CZ, AT); /* this one is lost: nobody but this database had it */
	story_refer(&s, CZ, SK);
	story_rest(&s.w);
	put_back(cz, &b, false);
	must_sign_nothing(cz);
	world_start(at);
	story_rest(&s.w);
	recover_all(&s);
	must_agree(&s.w);
	note_known(at, &at_at);
	MUST(&s.w, at_at.n == 3);
	for (size_t i = 0; i < at_at.n; i++)
		MUST(&s.w, at_at.side[i] == (int)PB(LIST_SIDE, IN) ||
				   at_at.state[i] == (int)PB(REFERRAL_STATE, ACCEPTED));
	go_on(&s);
	verify(&s.w, 2, 1);
	disk_image_free(b.image);
	world_fini(&s.w);
}

/* The same old backup twice: the second time it stands before an epoch that peers know. */
static void put_back_twice(uint64_t seed)
{
	static struct story s;
	struct backup b = {0};
	struct known before, after;
	struct agency *cz;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	keep(cz, &b);
	live_on(&s);
	put_back(cz, &b, false);
	recover_all(&s);
	go_on(&s);
	note_known(cz, &before);
	put_back(cz, &b, true);
	story_rest(&s.w);
	must_sign_nothing(cz);
	recover_all(&s);
	note_known(cz, &after);
	must_hold_all(&s.w, &before, &after);
	must_agree(&s.w);
	go_on(&s);
	disk_image_free(b.image);
	world_fini(&s.w);
}

/* The process ends at every operation of the new epoch's turn: it holds, or the epoch began. */
static void it_ends_in_the_middle(uint64_t seed)
{
	static struct story s;
	struct backup b = {0};
	struct agency *cz;
	unsigned n_crashes = 0, n_held = 0;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	keep(cz, &b);
	live_on(&s);
	world_stop(cz, POWER_KEPT);
	for (uint64_t at = 1;; at += quick ? 3 : 1) {
		const struct disk_plan plan = {
			.ops = ~0u, .at = at, .fault = DISK_CRASH, .sticky = false};
		const struct disk_plan none = {.ops = 0};
		struct reply_list *l;

		put_back(cz, &b, false);
		world_run(&s.w, SECOND_US);
		MUST(&s.w, node_hold(cz->node));
		disk_set_plan(cz->disk, &plan);
		new_epoch(cz, &l);
		reply_list_free(l);
		disk_set_plan(cz->disk, &none);
		if (cz->node)
			break; /* all of its operations were tried */
		n_crashes++;
		world_start(cz);
		MUST(&s.w, cz->node);
		if (!node_hold(cz->node))
			continue;
		n_held++;
		new_epoch(cz, &l);
		MUST(&s.w, l->is_whole && !l->reply[0]->error && !node_hold(cz->node));
		reply_list_free(l);
	}
	MUST(&s.w, n_crashes > (quick ? 1 : 10) && n_held > (quick ? 0 : 5));
	story_rest(&s.w);
	for (size_t i = SK; i < N; i++)
		MUST(&s.w, story_peer_is(&s.w.agency[i], cz, "new-epoch"));
	for (size_t i = SK; i < N; i++)
		accept_epoch(&s.w.agency[i], cz);
	story_rest(&s.w);
	must_agree(&s.w);
	go_on(&s);
	printf("rollback: crashes=%u held=%u\n", n_crashes, n_held);
	disk_image_free(b.image);
	world_fini(&s.w);
}

static void must_all_be_connected(struct world *w)
{
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++)
			MUST(w, i == j || story_peer_is(&w->agency[i], &w->agency[j], "connected"));
}

/* Two lose theirs at the same time, and neither waits for the other. */
static void two_begin_new_epochs(uint64_t seed)
{
	static struct story s;
	struct backup cz_had = {0}, sk_had = {0};
	struct known had, has;
	struct agency *cz, *sk, *at;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	sk = &s.w.agency[SK];
	at = &s.w.agency[AT];
	story_refer(&s, CZ, SK);
	story_refer(&s, SK, CZ);
	story_rest(&s.w);
	keep(cz, &cz_had);
	if (seed % 2)
		live_on(&s); /* one of the two backups is older than the other */
	keep(sk, &sk_had);
	live_on(&s);
	put_back(cz, &cz_had, false);
	put_back(sk, &sk_had, false);
	story_rest(&s.w);
	must_sign_nothing(cz);
	must_sign_nothing(sk);
	note_known(sk, &had);
	new_epoch_ok(cz);
	if (seed % 3 == 0)
		story_rest(&s.w);
	new_epoch_ok(sk);
	story_rest(&s.w);
	accept_epoch(at, cz);
	accept_epoch(at, sk);
	accept_epoch(sk, cz);
	if (seed % 3 == 1)
		story_rest(&s.w);
	accept_epoch(cz, sk);
	story_rest(&s.w);
	must_all_be_connected(&s.w);
	must_agree(&s.w);
	note_known(sk, &has); /* what cz had lost of it came back, some under a new id */
	MUST(&s.w, has.n >= had.n);
	verify(&s.w, 2, 2);
	go_on(&s);
	verify(&s.w, 2, 2);
	disk_image_free(cz_had.image);
	disk_image_free(sk_had.image);
	world_fini(&s.w);
}

/* Of the ledger of @p of, as @p a holds it. */
static uint64_t size_held(struct agency *a, const struct agency *of)
{
	const struct look look = inspect_node(a->node);
	bool connected;

	for (size_t i = 0; i < look.n_peer; i++) {
		const struct peer_row *row = inspect_peer(a->node, i, &connected);

		if (agency_id_eq(&row->agency, &of->id))
			return row->held_size;
	}
	return 0;
}

/* After the restore, and before it met anybody, the node signed as many entries as it had before:
 * two ledgers of one size. The peer that holds the other one stops the link for the Hello, when it
 * came, and for what EPOCH says of the old ledger. */
static void it_signed_before_it_noticed(uint64_t seed)
{
	static struct story s;
	struct backup b = {0};
	struct agency *cz, *sk, *at;
	uint64_t size;

	story_begin(&s, seed);
	cz = &s.w.agency[CZ];
	sk = &s.w.agency[SK];
	at = &s.w.agency[AT];
	story_refer(&s, CZ, SK);
	story_rest(&s.w);
	keep(cz, &b);
	live_on(&s);
	size = size_held(sk, cz);
	world_stop(sk, POWER_KEPT);
	world_stop(at, POWER_KEPT);
	put_back(cz, &b, true);
	MUST(&s.w, !node_hold(cz->node));
	story_refer(&s, CZ, SK);
	while (inspect_node(cz->node).signed_size < size)
		consult(&s, CZ);
	MUST(&s.w, inspect_node(cz->node).signed_size == size);
	world_start(sk);
	story_rest(&s.w);
	MUST(&s.w, node_hold(cz->node));
	world_start(at);
	new_epoch_ok(cz);
	story_rest(&s.w);
	if (story_peer_is(sk, cz, "stopped")) /* when it got to see that Hello */
		resume(sk, cz);
	if (story_peer_is(at, cz, "stopped"))
		resume(at, cz);
	story_rest(&s.w);
	accept_epoch(sk, cz);
	accept_epoch(at, cz);
	story_rest(&s.w);
	MUST(&s.w, story_peer_is(sk, cz, "stopped")); /* for what EPOCH says */
	resume(sk, cz);
	if (story_peer_is(at, cz, "stopped"))
		resume(at, cz);
	story_rest(&s.w);
	must_all_be_connected(&s.w);
	must_agree(&s.w);
	go_on(&s);
	disk_image_free(b.image);
	world_fini(&s.w);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
						{"verbose", no_argument, NULL, 'v'},
						{NULL, 0, NULL, 0}};
	const char *conf = "conf";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			conf = optarg;
		else if (c == 'v')
			verbose = true;
		else
			return 2;
	}
	log_set_sink(take_line, NULL);
	if (crypto_init() || store_init())
		return 2;
	given_load(conf);
	quick = getenv("AMPARO_QUICK") != NULL;
	it_ends_in_the_middle(1);
	for (uint64_t seed = 1; seed <= (quick ? 1 : 3); seed++) {
		a_backup_is_put_back(seed, false);
		a_backup_is_put_back(seed, true);
		only_the_others_dial(seed);
		what_nobody_got_is_sent_again(seed);
		put_back_twice(seed);
		it_signed_before_it_noticed(seed);
		two_begin_new_epochs(seed);
		if (!quick)
			two_begin_new_epochs(3 + seed);
	}
	given_free();
	crypto_fini();
	printf("rollback: all hold\n");
	return 0;
}
