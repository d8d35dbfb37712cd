#include "story.h"

#include <stdio.h>
#include <string.h>

#include "given.h"

struct reply_list *story_ask(struct agency *a, struct pb_api_request *m)
{
	struct reply_list *l = world_ask(a, m);
	const struct pb_api_error *error = l->n ? l->reply[l->n - 1]->error : NULL;

	if (error)
		fprintf(stderr, "story: %s: %s\n", a->label, error->text);
	MUST(a->world, l->is_whole && !error);
	return l;
}

static void adopt(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt ask = PB_AGREEMENT_ADOPT_INIT;

	ask.has_file = 1;
	ask.file = message_borrow(given_agreement());
	m.agreement_adopt = &ask;
	reply_list_free(story_ask(a, &m));
}

void story_import(struct story *s, size_t i)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import ask = PB_RECORD_IMPORT_INIT;
	struct reply_list *l;

	ask.has_type = ask.has_record = 1;
	ask.type = (uint32_t)given_record(0)->type;
	ask.record = message_borrow(buf_view(&given_record(0)->bytes));
	m.record_import = &ask;
	l = story_ask(&s->w.agency[i], &m);
	memcpy(s->record_id[i], l->reply[0]->record->id.data, 16);
	reply_list_free(l);
}

void story_refer(struct story *s, size_t from, size_t to)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	ask.has_record_id = ask.has_purpose = 1;
	ask.record_id = message_borrow(view_of(s->record_id[from], 16));
	ask.peer = s->w.agency[to].id.text;
	ask.purpose = PB(PURPOSE, CHILD_PROTECTION);
	ask.terms = &terms;
	m.referral_send = &ask;
	reply_list_free(story_ask(&s->w.agency[from], &m));
}

static struct reply_list *peers_of(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_list ask = PB_PEER_LIST_INIT;

	m.peer_list = &ask;
	return story_ask(a, &m);
}

bool story_peer_is(struct agency *a, const struct agency *of, const char *state)
{
	struct reply_list *l = peers_of(a);
	bool is = false;

	for (size_t i = 0; i < l->n; i++)
		if (l->reply[i]->peer && strcmp(l->reply[i]->peer->id, of->id.text) == 0)
			is = strcmp(l->reply[i]->peer->state, state) == 0;
	reply_list_free(l);
	return is;
}

void story_begin(struct story *s, uint64_t seed)
{
	*s = (struct story){.w = {.seed = 0}};
	world_init(&s->w, seed, N);
	s->w.is_unwatched = true; /* a ledger that goes back is what it is about */
	world_run(&s->w, 20 * SECOND_US);
	for (size_t i = 0; i < N; i++) {
		adopt(&s->w.agency[i]);
		story_import(s, i);
	}
	world_run(&s->w, 20 * SECOND_US);
}

void story_rest(struct world *w)
{
	world_run(w, 5 * MINUTE_US);
}
