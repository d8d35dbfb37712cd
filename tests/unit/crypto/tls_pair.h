/**
 * @file
 * Two agencies of two countries and a session between them, for the tests of crypto/tls.h.
 */
#ifndef TESTS_TLS_PAIR_H
#define TESTS_TLS_PAIR_H

#include "base/own.h"
#include "crypto/tls.h"
#include "pki.h"

#define NOW 1790000000
#define CZ "cz.example"
#define SK "sk.example"
#define CZ_ID "spiffe://cz.example/authority"
#define SK_ID "spiffe://sk.example/authority"

struct world {
	struct pki_ca *cz_ca, *sk_ca;
	struct pki_leaf cz, sk;
	struct trust *trust;
	struct tls_context *cz_context, *sk_context;
};

/** The clock of the contexts: always NOW. */
int64_t world_time(void *ctx);

struct world world_new(void);
void world_fini(struct world *w);

/** cz dials sk; what flows passes through here. */
struct pair {
	struct tls *dialler, *listener;
	size_t step;	 /**< bytes carried at once; 0: all */
	size_t carried;	 /**< bytes so far, both ways */
	size_t alter_at; /**< with @p alter: flip the lowest bit of this byte */
	bool alter;
	bool altered_free; /**< the altered byte was one that TLS 1.3 leaves out of account */
	struct buf log;	   /**< all that was carried */
};

struct pair pair_new(const struct world *w);
void pair_fini(struct pair *p);

/** Shake hands: TLS_OK when both sides stand, TLS_FAILED when one failed, TLS_AGAIN_IN: stuck. */
enum tls_result pair_try(struct pair *p);

/** The same, which must succeed. */
void pair_handshake(struct pair *p);

/** Move at most @p most bytes of output to the other's input. */
enum err tls_carry(struct tls *from, struct tls *to, size_t most);

#endif
