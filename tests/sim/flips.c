/* A bit of a database flips while its node is down. The node may refuse to start, end, or refuse to
 * answer; what it answers is as before. Then the disk is what it was, and all goes on. */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "watch.h"

#define ANSWERS_MAX (GIVEN_RECORDS + 1)

/* What was answered, as bytes; empty: nothing, or an error. */
struct answers {
	struct buf bytes[ANSWERS_MAX];
};

static void answers_fini(struct answers *x)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		buf_fini(&x->bytes[i]);
}

static void ask(struct agency *a, struct pb_api_request *m, struct buf *out)
{
	static char sealed[] = "sealed";
	struct reply_list *l = world_ask(a, m);

	for (size_t i = 0; l->is_whole && i < l->n && !l->reply[i]->error; i++) {
		struct pb_referral_row *row = l->reply[i]->referral;

		l->reply[i]->has_id = 0; /* it counts requests */
		/* what was sent and has no receipt is known as long as its session lasts */
		if (row && strcmp(row->delivery, "sent") == 0)
			row->delivery = sealed;
		MUST(a->world, message_encode(l->reply[i], out) == ERR_OK);
	}
	reply_list_free(l);
}

/* All that it says of its records and referrals. */
static void ask_all(struct run *r, struct agency *a, struct answers *ret)
{
	static char why[] = "simulation";

	for (size_t i = 0; i < ANSWERS_MAX && a->node; i++) {
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_record_show record = PB_RECORD_SHOW_INIT;
		struct pb_referral_list list = PB_REFERRAL_LIST_INIT;

		if (i == GIVEN_RECORDS) {
			m.referral_list = &list;
		} else if (r->has_record[a->index][i]) {
			record.has_record_id = 1;
			record.record_id = message_borrow(view_of(r->record_id[a->index][i], 16));
			record.reason = why;
			m.record_show = &record;
		} else {
			continue;
		}
		ask(a, &m, &ret->bytes[i]);
	}
}

/* Nobody reaches it: what it says in this state is said to nobody. */
static void isolate(struct world *w, struct agency *a, struct route (*saved)[WORLD_AGENCIES_MAX])
{
	memcpy(saved, w->route, sizeof(w->route));
	for (size_t i = 0; i < w->n_agency; i++)
		w->route[a->index][i].no_dial = w->route[i][a->index].no_dial = true;
}

static bool flip(struct agency *a, bool is_wal)
{
	static const char *const files[] = {"//amparo.db",
					    "//amparo.db-wal"}; /* as store_open() resolves them */
	struct world *w = a->world;
	const char *file = files[is_wal];
	const uint64_t size = disk_file_size(a->disk, file), at = world_random(w, size);
	const unsigned bit = (unsigned)world_random(w, 8);

	if (!size)
		return false;
	trace_say(w, "fault: %s: bit %u of byte %llu of %s flips", a->label, bit,
		  (unsigned long long)at, file);
	return disk_flip(a->disk, file, at, bit);
}

static void try_damaged(struct run *r, struct agency *a, const struct answers *before, bool is_wal)
{
	struct answers after = {0};

	world_start(a);
	world_run(&r->w, SECOND_US);
	ask_all(r, a, &after);
	for (size_t i = 0; i < ANSWERS_MAX; i++) {
		const struct view was = buf_view(&before->bytes[i]);

		/* a WAL that breaks off is a database of some commits ago: lists are shorter */
		MUST(&r->w, !after.bytes[i].n || !was.n ||
				    view_eq(buf_view(&after.bytes[i]), was) ||
				    (is_wal && i == GIVEN_RECORDS));
	}
	answers_fini(&after);
}

void flip_strike(struct run *r)
{
	struct world *w = &r->w;
	struct agency *a = &w->agency[world_random(w, w->n_agency)];
	struct route saved[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX];
	struct answers before = {0};
	const bool is_wal = world_random(w, 2);
	struct disk_image *image;

	world_resume(a);
	if (a->node && !a->seen->must_hold && !a->client[0].replies)
		ask_all(r, a, &before);
	world_stop(a, POWER_KEPT);
	image = disk_save(a->disk);
	isolate(w, a, saved);
	a->is_damaged = true;
	if (flip(a, is_wal)) {
		w->tally.n_flips++;
		try_damaged(r, a, &before, is_wal);
		world_stop(a, POWER_KEPT);
	}
	disk_load(a->disk, image);
	disk_image_free(image);
	a->is_damaged = false;
	memcpy(w->route, saved, sizeof(saved));
	answers_fini(&before);
}
