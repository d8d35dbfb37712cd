/* Clients of an agency's local socket: several, each with one request at a time. */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

void reply_list_free(struct reply_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		message_free(l->reply[i]);
	free(l->reply);
	free(l);
}

static struct node_caller caller_of(const struct client *c)
{
	return (struct node_caller){
		.id = c->index + 1,
		.uid = 1000 + (uint32_t)c->index,
		.roles = NODE_ROLE_CASEWORKER | NODE_ROLE_OPERATOR | NODE_ROLE_AUDITOR,
		.person = "caseworker",
	};
}

void client_ask(struct client *c, void *request)
{
	struct agency *a = c->agency;
	struct world *w = a->world;
	struct pb_api_request *m = request;
	const struct node_caller caller = caller_of(c);
	struct buf encoded = {0};

	MUST(w, !c->replies && a->node);
	c->replies = calloc(1, sizeof(*c->replies));
	ASSERT(c->replies);
	m->has_id = 1;
	m->id = c->replies->request = ++a->next_request;
	MUST(w, message_encode(m, &encoded) == ERR_OK);
	agency_told(a, INSIDE(a, node_request(a->node, &caller, buf_view(&encoded))));
	buf_fini(&encoded);
	agency_wake(a);
}

void client_reply(struct agency *a, uint64_t caller, struct view reply)
{
	struct world *w = a->world;
	struct reply_list *l;
	struct pb_api_reply *m;

	MUST(w, caller >= 1 && caller <= WORLD_CLIENTS_MAX);
	MUST(w, message_decode(&pb_api_reply_desc, reply, MESSAGE_STRICT, &m) == ERR_OK);
	trace_mix(w, caller, reply);
	l = a->client[caller - 1].replies;
	if (!l || m->id != l->request) {
		message_free(m); /* to a client that went away */
		return;
	}
	MUST(w, !l->is_whole);
	l->reply = realloc(l->reply, (l->n + 1) * sizeof(struct pb_api_reply *));
	ASSERT(l->reply);
	l->reply[l->n++] = m;
	l->is_whole = !(m->has_more && m->more);
}

static void tell(struct agency *a, bool is_lost)
{
	for (size_t i = 1; i < WORLD_CLIENTS_MAX; i++) {
		struct client *c = &a->client[i];
		struct reply_list *l = c->replies;

		/* an answer that came whole before the end counts */
		if (!l || !(l->is_whole || is_lost))
			continue;
		c->replies = NULL;
		if (a->world->answered)
			a->world->answered(a->world->ctx, c, l);
		reply_list_free(l);
	}
}

void client_leave(struct client *c)
{
	struct agency *a = c->agency;
	struct reply_list *l = c->replies;

	c->replies = NULL;
	if (l && a->world->answered)
		a->world->answered(a->world->ctx, c, l); /* it will never know */
	reply_list_free(l);
	if (a->node && !c->replies)
		node_caller_gone(a->node, c->index + 1);
}

void clients_told(struct agency *a)
{
	tell(a, false);
}

void clients_lost(struct agency *a)
{
	tell(a, true);
}

struct reply_list *world_ask(struct agency *a, void *request)
{
	struct client *c = &a->client[0];
	struct world *w = a->world;
	struct reply_list *l;

	client_ask(c, request);
	l = c->replies;
	for (int i = 0; !l->is_whole && a->node && i < 60000; i++)
		world_run(w, 1000);
	MUST(w, l->is_whole || !a->node);
	c->replies = NULL;
	return l;
}
