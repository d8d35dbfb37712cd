/*
 * flip --conf DIR: after the story the bytes of one agency's database (in pages of 512) are
 * flipped, one at a time, and the node is started: it refuses, or what it then shows is what it
 * showed before. The same with the WAL that a crash leaves. The ordinary run takes some of the
 * bytes; --long every one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "program.h"
#include "store/page_check.h"

#define DATABASE "//amparo.db" /* as store_open() resolves what the world says */
#define WAL DATABASE "-wal"
#define SETS 1024 /* byte n is in set n mod SETS; a process a set */
#define STRIDE 171

/* All that a node shows, as answers were encoded. */
struct shown {
	struct buf *answer;
	size_t n;
	bool is_refused; /**< some request was */
};

struct flip {
	struct explore x;
	struct story *s;
	struct agency *a;
	struct disk_image *image;
	struct shown before;
	uint64_t n_entries; /* of the ledger, as the image holds it */
	uint64_t n_refused, n_unaffected, n_held;
};

static uint64_t n_bytes; /* flipped, by all children */

/* --- what a node shows --- */

static void shown_fini(struct shown *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_fini(&s->answer[i]);
	free(s->answer);
	*s = (struct shown){0};
}

static void add(struct flip *f, struct shown *to, struct pb_api_reply *reply)
{
	struct buf b = {0};

	reply->has_id = reply->has_more = 0;
	MUST(f->s->w, message_encode(reply, &b) == ERR_OK);
	to->answer = realloc(to->answer, (to->n + 1) * sizeof(*to->answer));
	ASSERT(to->answer);
	to->answer[to->n++] = b;
}

/* Ask, and keep the answer; @return it, or NULL when the node is down. */
static struct reply_list *ask(struct flip *f, struct shown *to, struct pb_api_request *m)
{
	struct reply_list *l = f->a->node ? world_ask(f->a, m) : NULL;

	if (l && !l->is_whole) {
		reply_list_free(l);
		l = NULL;
	}
	to->is_refused = to->is_refused || !l || (l->n && l->reply[0]->error);
	for (size_t i = 0; l && i < l->n; i++)
		if (!l->reply[i]->error)
			add(f, to, l->reply[i]);
	return l;
}

static void show_records(struct flip *f, struct shown *to)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	struct pb_record_show show = PB_RECORD_SHOW_INIT;
	static char why[] = "story";
	struct reply_list *l;

	m.record_list = &list;
	l = ask(f, to, &m);
	m.record_list = NULL;
	m.record_show = &show;
	show.has_record_id = 1;
	show.reason = why;
	for (size_t i = 0; l && i < l->n; i++) {
		if (!l->reply[i]->record)
			continue;
		show.record_id = l->reply[i]->record->id;
		reply_list_free(ask(f, to, &m));
	}
	reply_list_free(l);
}

static void show_referrals(struct flip *f, struct shown *to)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list list = PB_REFERRAL_LIST_INIT;
	struct pb_referral_show show = PB_REFERRAL_SHOW_INIT;
	static char why[] = "story";
	struct reply_list *l;

	m.referral_list = &list;
	l = ask(f, to, &m);
	m.referral_list = NULL;
	m.referral_show = &show;
	show.has_id = show.has_content = 1;
	show.content = 1;
	show.reason = why;
	for (size_t i = 0; l && i < l->n; i++) {
		if (!l->reply[i]->referral)
			continue;
		show.id = l->reply[i]->referral->id;
		reply_list_free(ask(f, to, &m));
	}
	reply_list_free(l);
}

/* The ledger as far as the image has it: what comes after is of this start. */
static void show_ledger(struct flip *f, struct shown *to)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_list list = PB_AUDIT_LIST_INIT;
	struct pb_list_page page = PB_LIST_PAGE_INIT;
	struct pb_agreement_list agreements = PB_AGREEMENT_LIST_INIT;

	m.agreement_list = &agreements;
	reply_list_free(ask(f, to, &m));
	m.agreement_list = NULL;
	m.audit_list = &list;
	page.has_limit = 1;
	page.limit = f->n_entries;
	list.page = &page;
	reply_list_free(ask(f, to, &m));
}

static struct shown show_all(struct flip *f)
{
	struct shown shown = {0};

	show_ledger(f, &shown);
	show_records(f, &shown);
	show_referrals(f, &shown);
	return shown;
}

static bool was_shown(const struct shown *before, const struct buf *answer)
{
	for (size_t i = 0; i < before->n; i++)
		if (view_eq(buf_view(&before->answer[i]), buf_view(answer)))
			return true;
	return false;
}

/* --- the image --- */

/* Of the story's database, one of small pages: most bytes then stand for something. */
static void make_small(struct flip *f)
{
	static const char *const steps[] = {
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA journal_mode = DELETE",
		"PRAGMA page_size = 512",
		"VACUUM",
		"PRAGMA journal_mode = WAL",
	};
	struct page_check pages;
	sqlite3 *db;

	ASSERT(page_check_init(&pages, sqlite3_vfs_find(disk_vfs_name(f->a->disk))) == ERR_OK);
	ASSERT(sqlite3_open_v2(DATABASE, &db, SQLITE_OPEN_READWRITE, pages.name) == SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (sqlite3_exec(db, steps[i], NULL, NULL, NULL)) {
			fprintf(stderr, "flip: %s: %s\n", steps[i], sqlite3_errmsg(db));
			abort();
		}
	ASSERT(sqlite3_close(db) == SQLITE_OK);
	page_check_fini(&pages);
}

static uint64_t count_entries(struct flip *f)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_node_status status = PB_NODE_STATUS_INIT;
	struct reply_list *l;
	uint64_t n;

	m.node_status = &status;
	l = world_ask(f->a, &m);
	MUST(f->s->w, l->is_whole && l->reply[0]->status);
	n = l->reply[0]->status->size;
	reply_list_free(l);
	return n;
}

/* Both images hold the same; one ended properly, the other left its WAL. */
static void take_image(struct flip *f, bool with_wal)
{
	struct shown shown;

	for (size_t i = 0; i < STORY_AGENCIES; i++)
		world_stop(&f->s->w->agency[i], POWER_KEPT);
	make_small(f);
	world_start(f->a);
	MUST(f->s->w, f->a->node != NULL);
	f->n_entries = count_entries(f);
	shown = show_all(f); /* what is told once, as that it was opened, is told now */
	shown_fini(&shown);
	f->before = show_all(f);
	MUST(f->s->w, !f->before.is_refused && f->before.n > 10);
	if (!with_wal)
		world_stop(f->a, POWER_KEPT);
	f->image = disk_save(f->a->disk);
	world_stop(f->a, POWER_KEPT);
}

/* --- flips --- */

static void flip_one(struct flip *f, const char *file, uint64_t at)
{
	struct shown after;

	disk_load(f->a->disk, f->image);
	MUST(f->s->w, disk_flip(f->a->disk, file, at, (unsigned)(at % 8)));
	world_start(f->a);
	if (!f->a->node) {
		f->n_refused++;
		return;
	}
	if (node_hold(f->a->node)) {
		f->n_held++; /* it says that it stands behind */
	} else {
		after = show_all(f);
		for (size_t i = 0; i < after.n; i++) {
			const bool is_same = was_shown(&f->before, &after.answer[i]);

			if (!is_same)
				fprintf(stderr, "flip: %s, byte %llu: another answer\n", file,
					(unsigned long long)at);
			MUST(f->s->w, is_same);
		}
		f->n_unaffected += !after.is_refused;
		f->n_refused += after.is_refused;
		shown_fini(&after);
	}
	world_stop(f->a, POWER_KEPT);
}

static void flip_set(struct flip *f, const char *file, uint64_t first)
{
	const uint64_t size = disk_file_size(f->a->disk, file);

	for (uint64_t at = first; at < size; at += SETS)
		flip_one(f, file, at);
	if (f->x.o.verbose)
		printf("flip: %s: set %llu of %u: %llu refused, %llu unaffected, %llu hold back\n",
		       file, (unsigned long long)first, SETS, (unsigned long long)f->n_refused,
		       (unsigned long long)f->n_unaffected, (unsigned long long)f->n_held);
}

static void explore_file(struct flip *f, int agency, bool wal)
{
	const char *file = wal ? WAL : DATABASE;
	uint64_t n_before;
	bool is_mine = false;
	char what[80];

	f->s = story_new(f->x.o.seed);
	f->a = &f->s->w->agency[agency];
	story_tell(f->s);
	f->s->w->is_unwatched = true; /* a disk that goes back is no ledger that grows */
	f->a->is_damaged = true;
	take_image(f, wal);
	disk_load(f->a->disk, f->image);
	for (uint64_t set = 0; set < SETS && !is_mine; set++) {
		explore_point(&f->x);
		(void)snprintf(what, sizeof(what), "set %llu of %s", (unsigned long long)set, file);
		n_before = f->x.n_run + f->x.n_child;
		is_mine = explore_case(&f->x, 0, what);
		if (f->x.n_run + f->x.n_child > n_before)
			n_bytes += (disk_file_size(f->a->disk, file) - set + SETS - 1) / SETS;
		if (is_mine)
			flip_set(f, file, set);
	}
	shown_fini(&f->before);
	disk_image_free(f->image);
	story_free(f->s);
}

static void explore_one(struct explore *x, int agency)
{
	struct flip f = {.x = *x};

	explore_agency(&f.x, agency);
	explore_file(&f, agency, false);
	if (!f.x.is_child)
		explore_file(&f, agency, true);
	*x = f.x;
}

int main(int argc, char **argv)
{
	const int code = program_run(argc, argv, "flip", STRIDE, explore_one);

	printf("flip: %llu bytes flipped, each by itself\n", (unsigned long long)n_bytes);
	return code;
}
