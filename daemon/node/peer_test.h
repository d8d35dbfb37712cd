/**
 * @file
 * Tests of peers: the real thing, one row a step as it is done. The gate says how far a dial got
 * (name, route, TLS, certificates), the node what came of Hello (seal) and of the agreement. Of a
 * peer that is connected, what its session shows is told instead. The first step that fails ends
 * the test.
 *
 *   asked --> name --> route --> tls --> certificates --> seal --> agreement
 */
#ifndef NODE_PEER_TEST_H
#define NODE_PEER_TEST_H

#include "node/internal.h"

#define PEER_TEST_SILENCE_MS 45000 /**< without a step: a name takes up to 30 s */

/** INPUT_STAGE: what the gate says. */
enum err peer_test_stage(struct node *n, const struct input *in) WARN_UNUSED;

/**
 * A Hello was good and this is now the live session with the peer. Whether the peer took ours shows
 * when it answers a Ping: peer_test_answered().
 */
enum err peer_test_connected(struct node *n, struct session *s) WARN_UNUSED;

/** The peer answered a Ping: seal, then agreement. */
enum err peer_test_answered(struct node *n, struct session *s) WARN_UNUSED;

/** A connection with the peer came to nothing: ends its test, if there is one. */
enum err peer_test_failed(struct node *n, struct peer *p, const char *format, ...)
	__attribute__((format(printf, 3, 4))) WARN_UNUSED;

/** The gate says that a session is over. */
enum err peer_test_session_closed(struct node *n, uint64_t session) WARN_UNUSED;

/** Those that have been silent too long. */
enum err peer_tests_tick(struct node *n, uint64_t now_ms) WARN_UNUSED;

/** When peer_tests_tick() is due, monotonic ms; UINT64_MAX: never. */
uint64_t peer_tests_deadline_ms(const struct node *n);

/** Nobody waits any more for what @p caller asked; 0: all. */
void peer_tests_forget(struct node *n, uint64_t caller);

#endif
