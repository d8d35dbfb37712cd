#include "gate/internal.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/log.h"

const char *address_text(const struct sockaddr_storage *a, char ret[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)a;

		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		(void)snprintf(ret, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const void *)a;

		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		(void)snprintf(ret, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
	}
	return ret;
}

void conn_log_failure(struct conn *c, enum err e, const char *what)
{
	struct gate *g = c->gate;
	struct token_bucket *tokens = c->peer ? &c->peer->log_tokens : &g->log_tokens;
	char address[ADDRESS_TEXT_MAX];

	dial_stage_failed(c, e);
	if (!token_bucket_take(tokens, loop_mono_ms())) {
		g->n_unlogged++;
		return;
	}
	if (g->n_unlogged) {
		log_line(LOG_WARN, "more connections failed than are told n=%u", g->n_unlogged);
		g->n_unlogged = 0;
	}
	log_err(LOG_WARN, e, "%s address=%s peer=%s", what, address_text(&c->address, address),
		c->peer ? c->peer->id.text : "unknown");
}
