/* Steps of the story in which something ends: an agreement, what waits in the WAL, a ledger. */
#include "steps.h"

#include <string.h>

#include "inspect.h"

#define DATABASE "//amparo.db" /* as store_open() resolves what the world says */
#define CONSULTATIONS_MAX 200

static char why[] = "story";

/* The rest of a step is not worth its time after a fault in what it has done so far. */
static bool is_enough(const struct story *s)
{
	return s->is_short && s->is_hurt;
}

/* --- made --- */

/* One that was interrupted starts, or says that it is not whole and is made again. */
static bool is_made(struct agency *a)
{
	if (world_make(a))
		return true;
	world_start(a);
	if (!a->node)
		return false;
	world_stop(a, POWER_KEPT);
	return true;
}

void step_make(struct story *s)
{
	for (size_t i = 0; i < STORY_AGENCIES; i++) {
		struct agency *a = &s->w->agency[i];

		world_stop(a, POWER_KEPT);
		s->is_held_down[i] = true;
		a->is_damaged = true; /* a database that was cut short is refused */
		for (int n = 0; !is_made(a); n++) {
			MUST(s->w, n < TRIES_MAX);
			story_run(s, STORY_RESTART_US);
		}
		a->is_damaged = false;
		s->is_held_down[i] = false;
		world_start(a);
	}
}

/* --- withdraw --- */

static bool is_withdrawn(struct story *s, size_t who)
{
	return story_has_agreement(s, who, "withdrawn");
}

static void withdraw(struct story *s, size_t who)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_withdraw ask = PB_AGREEMENT_WITHDRAW_INIT;
	static char name[] = GIVEN_AGREEMENT_NAME;

	ask.agreement = name;
	ask.reason = why;
	m.agreement_withdraw = &ask;
	story_ensure(s, who, &m, is_withdrawn);
}

void step_withdraw(struct story *s)
{
	withdraw(s, 0);
	story_send_in_vain(s, 0);
	story_wait(s, 1, is_withdrawn);
	story_send_in_vain(s, 1);
	story_adopt(s, 0);
	for (size_t i = 0; i < STORY_AGENCIES; i++)
		story_wait(s, i, story_is_in_force);
}

/* --- a WAL checkpoint between turns --- */

/* An entry, and its pages in the WAL. */
static void consult(struct story *s, size_t who)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_show ask = PB_RECORD_SHOW_INIT;

	ask.has_record_id = 1;
	ask.record_id = message_borrow(view_of(s->record[who][0], 16));
	ask.reason = why;
	m.record_show = &ask;
	reply_list_free(story_read(s, who, &m));
}

/* While a node runs, nothing but a checkpoint of the WAL writes to the database file. */
void step_wal(struct story *s)
{
	for (size_t i = 0; i < STORY_AGENCIES; i++) {
		const struct disk *d = story_living(s, i)->disk;
		const uint64_t before = disk_n_writes(d, DATABASE);

		for (int n = 0; disk_n_writes(d, DATABASE) == before && !is_enough(s); n++) {
			MUST(s->w, n < CONSULTATIONS_MAX);
			consult(s, i);
		}
	}
}

/* --- a new epoch --- */

static bool is_quiet(struct story *s, size_t who)
{
	(void)who;
	return rest_is_quiet(&s->run);
}

/* What the other one is to it, by its own words. */
static bool peer_is(struct story *s, size_t who, const char *state)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_list ask = PB_PEER_LIST_INIT;
	struct reply_list *l;
	bool is = false;

	m.peer_list = &ask;
	l = story_read(s, who, &m);
	for (size_t i = 0; i < l->n; i++)
		is = is || (l->reply[i]->peer && strcmp(l->reply[i]->peer->state, state) == 0);
	reply_list_free(l);
	return is;
}

static bool hears_of_it(struct story *s, size_t who)
{
	return peer_is(s, who, "new-epoch");
}

static bool has_accepted(struct story *s, size_t who)
{
	return !hears_of_it(s, who);
}

static bool is_connected(struct story *s, size_t who)
{
	return peer_is(s, who, "connected");
}

static bool signs(struct story *s, size_t who)
{
	return node_hold(story_living(s, who)->node) == NULL;
}

/* The database goes back; last-signed, which lies elsewhere, does not. */
static void put_back(struct agency *a, const struct disk_image *backup)
{
	static uint8_t newest[DISK_NOTE_MAX], previous[DISK_NOTE_MAX];
	struct view n, p;

	world_stop(a, POWER_KEPT);
	n = disk_signed_newest(a->disk);
	p = disk_signed_previous(a->disk);
	memcpy(newest, n.p, n.n);
	memcpy(previous, p.p, p.n);
	disk_load(a->disk, backup);
	MUST(a->world,
	     disk_signed_write(a->disk, view_of(newest, n.n), view_of(previous, p.n)) == ERR_OK &&
		     disk_signed_sync(a->disk) == ERR_OK);
}

static void begin_anew(struct story *s)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_ledger_new_epoch begin = PB_LEDGER_NEW_EPOCH_INIT;
	struct pb_peer_accept_epoch accept = PB_PEER_ACCEPT_EPOCH_INIT;

	begin.reason = why;
	m.ledger_new_epoch = &begin;
	story_ensure(s, 0, &m, signs);
	story_wait(s, 1, hears_of_it);
	m.ledger_new_epoch = NULL;
	accept.peer = s->w->agency[0].id.text;
	accept.reason = why;
	m.peer_accept_epoch = &accept;
	story_ensure(s, 1, &m, has_accepted);
	for (size_t i = 0; i < STORY_AGENCIES; i++) {
		story_wait(s, i, is_connected);
		story_wait(s, i, story_is_in_force);
	}
}

/* Of the files as they stand while the node runs, its WAL with them. */
void step_backup(struct story *s)
{
	s->backup = disk_save(story_living(s, 0)->disk);
}

/* All that came after the backup is held by the other one, and comes back. */
void step_new_epoch(struct story *s)
{
	story_wait(s, 0, is_quiet);
	if (is_enough(s))
		return;
	s->w->is_unwatched = true; /* a ledger that goes back is what it is about */
	put_back(&s->w->agency[0], s->backup);
	MUST(s->w, !signs(s, 0));
	story_send_in_vain(s, 0);
	begin_anew(s);
}
