#include "story.h"

#include <stdlib.h>
#include <string.h>

#include "steps.h"

#define SLICE_US (SECOND_US / 20)

/* --- time passes --- */

static void start_all(struct story *s)
{
	for (size_t i = 0; i < s->w->n_agency; i++)
		if (!s->w->agency[i].node && !s->is_held_down[i])
			world_start(&s->w->agency[i]);
}

void story_run(struct story *s, uint64_t for_us)
{
	const uint64_t until = s->w->now_us + for_us;

	while (s->w->now_us < until) {
		world_run(s->w, until - s->w->now_us < SLICE_US ? until - s->w->now_us : SLICE_US);
		start_all(s);
	}
}

/* Up, or the disk is broken for good. */
struct agency *story_living(struct story *s, size_t who)
{
	struct agency *a = &s->w->agency[who];

	for (int i = 0; !a->node; i++) {
		MUST(s->w, i < TRIES_MAX);
		story_run(s, STORY_RESTART_US);
	}
	return a;
}

void story_wait(struct story *s, size_t who, bool (*is_so)(struct story *s, size_t who))
{
	for (int i = 0; !is_so(s, who); i++) {
		MUST(s->w, i < TRIES_MAX);
		story_run(s, STORY_RESTART_US);
	}
}

struct reply_list *story_read(struct story *s, size_t who, void *request)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct reply_list *l = world_ask(story_living(s, who), request);

		if (l->is_whole && !(l->n && l->reply[0]->error))
			return l;
		s->n_refused += l->is_whole;
		reply_list_free(l);
		story_run(s, STORY_RESTART_US);
	}
	world_broken(s->w, "a request is answered", __FILE__, __LINE__);
}

/* --- what is there --- */

static size_t count_records(struct story *s, size_t who)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_list ask = PB_RECORD_LIST_INIT;
	struct reply_list *l;
	size_t n = 0;

	m.record_list = &ask;
	l = story_read(s, who, &m);
	for (size_t i = 0; i < l->n; i++) {
		const struct pb_record_row *row = l->reply[i]->record;

		if (!row)
			continue;
		MUST(s->w, n < STORY_RECORDS_MAX && row->id.len == 16);
		memcpy(s->record[who][n++], row->id.data, 16);
	}
	reply_list_free(l);
	return n;
}

static struct reply_list *referrals(struct story *s, size_t who)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list ask = PB_REFERRAL_LIST_INIT;

	m.referral_list = &ask;
	return story_read(s, who, &m);
}

static size_t count_referrals(struct story *s, size_t who, int side, int state)
{
	struct reply_list *l = referrals(s, who);
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct pb_referral_row *row = l->reply[i]->referral;

		n += row && (int)row->side == side && (!state || (int)row->state == state);
	}
	reply_list_free(l);
	return n;
}

/* Either of two states, as one answer tells: it goes from one to the other on its own. */
static bool has_agreement(struct story *s, size_t who, const char *state, const char *or_state)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_list ask = PB_AGREEMENT_LIST_INIT;
	struct reply_list *l;
	bool found = false;

	m.agreement_list = &ask;
	l = story_read(s, who, &m);
	for (size_t i = 0; i < l->n; i++) {
		const struct pb_agreement_row *row = l->reply[i]->agreement;

		found = found || (row && (strcmp(row->state, state) == 0 ||
					  strcmp(row->state, or_state) == 0));
	}
	reply_list_free(l);
	return found;
}

bool story_has_agreement(struct story *s, size_t who, const char *state)
{
	return has_agreement(s, who, state, state);
}

bool story_is_in_force(struct story *s, size_t who)
{
	return story_has_agreement(s, who, "in-force");
}

static bool has_adopted(struct story *s, size_t who)
{
	return has_agreement(s, who, "adopted-here", "in-force");
}

/* --- what is done: once, however often it takes --- */

enum answer story_order(struct story *s, size_t who, void *request)
{
	struct reply_list *l = world_ask(story_living(s, who), request);
	enum answer answer = ANSWER_DONE;

	if (!l->is_whole)
		answer = ANSWER_UNKNOWN;
	else if (l->n && l->reply[0]->error)
		answer = ANSWER_REFUSED;
	s->n_unknown += answer == ANSWER_UNKNOWN;
	s->n_refused += answer == ANSWER_REFUSED;
	reply_list_free(l);
	return answer;
}

void story_ensure(struct story *s, size_t who, void *request,
		  bool (*is_there)(struct story *s, size_t who))
{
	for (int i = 0; i < TRIES_MAX; i++) {
		const enum answer answer = story_order(s, who, request);
		const bool there = is_there(s, who);

		MUST(s->w, answer != ANSWER_DONE || there);
		MUST(s->w, answer != ANSWER_REFUSED || !there);
		if (there)
			return;
		story_run(s, STORY_RESTART_US);
	}
	world_broken(s->w, "it is done in the end", __FILE__, __LINE__);
}

void story_adopt(struct story *s, size_t who)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt ask = PB_AGREEMENT_ADOPT_INIT;

	ask.has_file = 1;
	ask.file = message_borrow(given_agreement());
	m.agreement_adopt = &ask;
	story_ensure(s, who, &m, has_adopted);
}

static bool record_is_there(struct story *s, size_t who)
{
	const size_t n = count_records(s, who);

	MUST(s->w, n == s->n_records[who] || n + 1 == s->n_records[who]);
	return n == s->n_records[who];
}

static void import(struct story *s, size_t who, size_t which)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import ask = PB_RECORD_IMPORT_INIT;

	ask.has_type = ask.has_record = 1;
	ask.type = (uint32_t)given_record(which)->type;
	ask.record = message_borrow(buf_view(&given_record(which)->bytes));
	m.record_import = &ask;
	s->n_records[who]++;
	story_ensure(s, who, &m, record_is_there);
}

static bool referral_is_there(struct story *s, size_t who)
{
	const size_t n = count_referrals(s, who, PB(LIST_SIDE, OUT), 0);

	MUST(s->w, n == s->n_sent[who] || n + 1 == s->n_sent[who]);
	return n == s->n_sent[who];
}

/* Ask for it once, or until it is there. */
static enum answer ask_to_send(struct story *s, size_t who, size_t record, bool until_there)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;
	struct pb_consent consent = PB_CONSENT_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	consent.has_given_by = 1;
	consent.given_by = PB(CONSENT_GIVER, CHILD);
	terms.consent = record == 0 ? &consent : NULL;
	ask.has_record_id = ask.has_purpose = 1;
	ask.record_id = message_borrow(view_of(s->record[who][record], 16));
	ask.peer = s->w->agency[1 - who].id.text;
	ask.purpose = PB(PURPOSE, CHILD_PROTECTION);
	ask.terms = &terms;
	m.referral_send = &ask;
	if (!until_there)
		return story_order(s, who, &m);
	s->n_sent[who]++;
	story_ensure(s, who, &m, referral_is_there);
	return ANSWER_DONE;
}

void story_send(struct story *s, size_t who, size_t record)
{
	(void)ask_to_send(s, who, record, true);
}

void story_send_in_vain(struct story *s, size_t who)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		const enum answer answer = ask_to_send(s, who, 0, false);

		MUST(s->w, answer != ANSWER_DONE);
		if (answer == ANSWER_REFUSED)
			return;
		story_run(s, STORY_RESTART_US);
	}
	world_broken(s->w, "what is not allowed is refused", __FILE__, __LINE__);
}

/* The newest referral that awaits an answer; false: none has come yet. */
static bool find_awaiting(struct story *s, size_t who, uint8_t ret_id[DIGEST_BYTES])
{
	struct reply_list *l = referrals(s, who);
	uint64_t newest_us = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct pb_referral_row *row = l->reply[i]->referral;

		if (!row || !row->awaits_us || row->time_us < newest_us)
			continue;
		MUST(s->w, row->id.len == DIGEST_BYTES);
		memcpy(ret_id, row->id.data, DIGEST_BYTES);
		newest_us = row->time_us;
	}
	reply_list_free(l);
	return newest_us != 0;
}

static bool is_answered(struct story *s, size_t who)
{
	struct reply_list *l = referrals(s, who);
	bool awaits = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct pb_referral_row *row = l->reply[i]->referral;

		if (row && memcmp(row->id.data, s->deciding, DIGEST_BYTES) == 0)
			awaits = row->awaits_us;
	}
	reply_list_free(l);
	return !awaits;
}

/* All that was sent to it has come. */
static bool has_come(struct story *s, size_t who)
{
	return count_referrals(s, who, PB(LIST_SIDE, IN), 0) == s->n_sent[1 - who];
}

void story_decide(struct story *s, size_t who, int state)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;
	static char why[] = "decided in the story";

	for (int i = 0; !has_come(s, who) || !find_awaiting(s, who, s->deciding); i++) {
		MUST(s->w, i < TRIES_MAX);
		story_run(s, STORY_RESTART_US);
	}
	ask.has_id = ask.has_state = 1;
	ask.id = message_borrow(view_of(s->deciding, DIGEST_BYTES));
	ask.state = (Amparo__V1__ReferralState)state;
	ask.reason = why;
	m.referral_decide = &ask;
	story_ensure(s, who, &m, is_answered);
	s->n_accepted[who] += state == PB(REFERRAL_STATE, ACCEPTED);
	s->n_declined[who] += state == PB(REFERRAL_STATE, DECLINED);
}

/* --- the steps --- */

static void step_adopt(struct story *s)
{
	for (size_t i = 0; i < STORY_AGENCIES; i++)
		story_adopt(s, i);
	for (size_t i = 0; i < STORY_AGENCIES; i++)
		story_wait(s, i, story_is_in_force);
}

static void step_seal(struct story *s)
{
	import(s, 0, 0);
	import(s, 0, 2);
	import(s, 1, 1);
}

static void step_send(struct story *s)
{
	story_send(s, 0, 0);
}

/* The second stage follows by itself. */
static void step_accept(struct story *s)
{
	story_decide(s, 1, PB(REFERRAL_STATE, ACCEPTED));
}

static void step_decline(struct story *s)
{
	story_send(s, 0, 1);
	story_decide(s, 1, PB(REFERRAL_STATE, DECLINED));
}

static void step_other_way(struct story *s)
{
	story_send(s, 1, 0);
	story_decide(s, 0, PB(REFERRAL_STATE, ACCEPTED));
}

/* Stopped properly, which empties the WAL; what is sent meanwhile waits. */
static void step_while_down(struct story *s)
{
	world_stop(story_living(s, 0), POWER_KEPT);
	story_run(s, SLICE_US);
	world_stop(story_living(s, 1), POWER_KEPT);
	s->is_held_down[1] = true;
	story_send(s, 0, 0);
	s->is_held_down[1] = false;
	story_decide(s, 1, PB(REFERRAL_STATE, ACCEPTED));
}

#define STEP_ADOPT 1

static const struct {
	const char *name;
	void (*run)(struct story *s);
	uint64_t then_us; /* what follows by itself goes on meanwhile */
	bool is_needed;	  /* by others, or after a fault to see that all still works */
} steps[] = {
	{"make", step_make, 0, false},
	{"adopt", step_adopt, SECOND_US, true},
	{"seal", step_seal, 0, true},
	{"send", step_send, SECOND_US, false},
	{"accept, second stage", step_accept, SECOND_US, false},
	{"decline", step_decline, SECOND_US, false},
	{"backup", step_backup, 0, false},
	{"the other way", step_other_way, SECOND_US, false},
	{"withdraw", step_withdraw, 0, false},
	{"WAL checkpoint", step_wal, 0, false},
	{"new epoch", step_new_epoch, 0, false},
	{"down and up again", step_while_down, SECOND_US, true},
};

/* --- the end --- */

static bool is_whole(const struct story *s)
{
	for (size_t i = 0; i < STORY_AGENCIES; i++)
		if (!s->w->agency[i].node || disk_has_failed(s->w->agency[i].disk))
			return false;
	return s->w->now_us >= s->broken_until_us;
}

/* Both are up for good, and each has what the other sent. */
static void rest(struct story *s)
{
	for (int i = 0; !is_whole(s); i++) {
		MUST(s->w, i < TRIES_MAX);
		story_run(s, STORY_RESTART_US);
		start_all(s);
	}
	rest_wait(&s->run);
}

/* Exactly what was ordered, at both ends. */
static void check_counts(struct story *s)
{
	const int in = PB(LIST_SIDE, IN), out = PB(LIST_SIDE, OUT);
	const int accepted = PB(REFERRAL_STATE, ACCEPTED), declined = PB(REFERRAL_STATE, DECLINED);

	for (size_t i = 0; i < STORY_AGENCIES; i++) {
		MUST(s->w, count_records(s, i) == s->n_records[i]);
		MUST(s->w, count_referrals(s, i, out, 0) == s->n_sent[i]);
		MUST(s->w, count_referrals(s, 1 - i, in, 0) == s->n_sent[i]);
		MUST(s->w, count_referrals(s, i, in, accepted) == s->n_accepted[i]);
		MUST(s->w, count_referrals(s, 1 - i, out, accepted) == s->n_accepted[i]);
		MUST(s->w, count_referrals(s, i, in, declined) == s->n_declined[i]);
		MUST(s->w, count_referrals(s, 1 - i, out, declined) == s->n_declined[i]);
	}
}

/* For rest_check(): what was acknowledged. */
static void fill_run(struct story *s)
{
	for (size_t i = 0; i < STORY_AGENCIES; i++) {
		s->run.n_sent[i][1 - i] = s->n_sent[i];
		s->run.has_adopted[i] = true;
		for (size_t j = 0; j < s->n_records[i]; j++) {
			memcpy(s->run.record_id[i][j], s->record[i][j], 16);
			s->run.has_record[i][j] = true;
		}
	}
}

/* A database that was made in spite of a fault is one like any other: a word with the peer is
 * enough then. */
static void tell_steps(struct story *s)
{
	bool was_hurt_when_made = false;

	for (size_t i = 0; i < ARRAY_LEN(steps) && !(was_hurt_when_made && i > STEP_ADOPT); i++) {
		if (s->is_short && s->is_hurt && !steps[i].is_needed)
			continue;
		s->step = steps[i].name;
		steps[i].run(s);
		story_run(s, steps[i].then_us);
		was_hurt_when_made =
			was_hurt_when_made || (s->is_short && s->is_hurt && i < STEP_ADOPT);
	}
}

void story_tell(struct story *s)
{
	tell_steps(s);
	s->is_over = true;
	s->step = "rest";
	rest(s);
	check_counts(s);
	/* All of it was durable when it was said. */
	s->step = "power lost";
	for (size_t i = 0; i < STORY_AGENCIES; i++)
		world_stop(&s->w->agency[i], POWER_DROPPED);
	rest(s);
	check_counts(s);
	fill_run(s);
	rest_check(&s->run);
}

struct story *story_new(uint64_t seed)
{
	struct story *s = calloc(1, sizeof(*s));

	ASSERT(s);
	s->w = &s->run.w;
	world_init(s->w, seed, STORY_AGENCIES);
	s->step = "begin";
	return s;
}

void story_free(struct story *s)
{
	if (!s)
		return;
	disk_image_free(s->backup);
	world_fini(s->w);
	free(s);
}
