/**
 * @file
 * Two links back to back: what one sends, the other gets, in pieces of a chosen size. Real TLS,
 * certificates made at test time, time as the test says.
 */
#ifndef TESTS_LINK_PAIR_H
#define TESTS_LINK_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "link/link.h"
#include "pki.h"
#include "wire/frame.h"

#define NOW_S 1700000000
#define CZ_ID "spiffe://cz.example/ochrana"
#define SK_ID "spiffe://sk.example/ustredie"
#define SK_OTHER_ID "spiffe://sk.example/jina"

/* Who there is: made once a program. */
struct world {
	struct pki_ca *cz, *sk;
	struct trust *trust;
	struct tls_context *cz_tls, *sk_tls;
	uint64_t sk_serial;
};

static struct world world;

static inline int64_t world_time(void *ctx)
{
	(void)ctx;
	return NOW_S;
}

static inline struct agency_id id_of(const char *text)
{
	struct agency_id id;

	assert_int_equal(agency_id_parse(view_str(text), &id), ERR_OK);
	return id;
}

static inline struct tls_context *context_of(struct pki_ca *ca, const char *id,
					     uint64_t *ret_serial)
{
	const struct pki_leaf_options o = {.id = id, .purpose = CERT_TLS, .utc_s = NOW_S};
	struct pki_leaf leaf = {0};
	struct tls_context *c = NULL;

	pki_issue(ca, &o, &leaf);
	assert_int_equal(tls_context_new(buf_view(&leaf.cert_pem), buf_view(&leaf.key_pem),
					 world.trust, world_time, NULL, &c),
			 ERR_OK);
	if (ret_serial)
		*ret_serial = leaf.serial;
	pki_leaf_fini(&leaf);
	return c;
}

static inline int world_setup(void **state)
{
	(void)state;
	assert_int_equal(crypto_init(), ERR_OK);
	world.cz = pki_ca_new(&(struct pki_ca_options){.domain = "cz.example", .utc_s = NOW_S});
	world.sk = pki_ca_new(&(struct pki_ca_options){.domain = "sk.example", .utc_s = NOW_S});
	assert_int_equal(trust_new(&world.trust), ERR_OK);
	pki_trust_add(world.trust, world.cz, "cz.example", NOW_S);
	pki_trust_add(world.trust, world.sk, "sk.example", NOW_S);
	world.cz_tls = context_of(world.cz, CZ_ID, NULL);
	world.sk_tls = context_of(world.sk, SK_ID, &world.sk_serial);
	return 0;
}

static inline int world_teardown(void **state)
{
	(void)state;
	tls_context_free(world.cz_tls);
	tls_context_free(world.sk_tls);
	trust_free(world.trust);
	pki_ca_free(world.cz);
	pki_ca_free(world.sk);
	crypto_fini();
	return 0;
}

/* a dials b: CZ dials SK. */
struct pair {
	struct link *a, *b;
	uint64_t now;
	size_t piece; /* bytes carried at once */
};

static inline int pair_setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	const struct agency_id sk = id_of(SK_ID);

	assert_non_null(p);
	p->piece = LINK_INPUT_MAX;
	assert_int_equal(link_new(world.cz_tls, TLS_DIALLER, &sk, p->now, &p->a), ERR_OK);
	assert_int_equal(link_new(world.sk_tls, TLS_LISTENER, NULL, p->now, &p->b), ERR_OK);
	*state = p;
	return 0;
}

static inline int pair_teardown(void **state)
{
	struct pair *p = *state;

	link_free(p->a);
	link_free(p->b);
	free(p);
	return 0;
}

/* Carry one piece; false: there is none, or it is not wanted now. A closed link gets it for
 * nothing. */
static inline bool carry(struct pair *p, struct link *from, struct link *to, enum err *ret)
{
	static uint8_t bytes[LINK_INPUT_MAX];
	struct view out = link_output(from);
	size_t n = out.n < p->piece ? out.n : p->piece;

	bool is_closed = link_state(to) == LINK_CLOSED;
	enum err e;

	if (n == 0 || !(is_closed || (link_wants(to) & LINK_WANTS_READ)))
		return false;
	assert_true(link_wants(from) & LINK_WANTS_WRITE);
	memcpy(bytes, out.p, n);
	*ret = is_closed ? ERR_OK : link_input(to, view_of(bytes, n), p->now);
	e = link_sent(from, n, p->now);
	*ret = *ret ? *ret : e;
	return true;
}

/* Carry until nothing moves, or an error comes up: the first one. */
static inline enum err run(struct pair *p)
{
	enum err e = ERR_OK;

	while (!e && (carry(p, p->a, p->b, &e) || (!e && carry(p, p->b, p->a, &e))))
		;
	return e;
}

static inline void open_both(struct pair *p)
{
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_GREETING);
	assert_int_equal(link_state(p->b), LINK_GREETING);
	link_admit(p->a, p->now);
	link_admit(p->b, p->now);
	assert_int_equal(link_state(p->a), LINK_OPEN);
	assert_int_equal(link_state(p->b), LINK_OPEN);
}

/* A body of n bytes that says which it is. */
static inline struct view body_of(unsigned which, size_t n)
{
	static uint8_t bytes[FRAME_BODY_MAX + 1];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(which + i * 7 + i / 251);
	return view_of(bytes, n);
}

static inline void send_body(struct pair *p, struct link *from, unsigned which, size_t n)
{
	assert_int_equal(link_send_frame(from, body_of(which, n), p->now), ERR_OK);
}

static inline void expect_body(struct pair *p, struct link *at, unsigned which, size_t n)
{
	struct view got;

	assert_int_equal(link_take_frame(at, p->now, &got), ERR_OK);
	assert_true(view_eq(got, body_of(which, n)));
}

static inline void expect_none(struct pair *p, struct link *at)
{
	struct view got;

	assert_int_equal(link_take_frame(at, p->now, &got), ERR_AGAIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)

#endif
