/**
 * @file
 * TLS 1.3 over memory buffers: bytes in, bytes out, no socket (libevent's own SSL has no clean
 * shutdown and calls back after free). Mutual authentication, ALPN `amparo/1`, no tickets, no
 * resumption, no early data. The peer's identity comes from crypto/cert.h's check, at handshake.
 *
 * After tls_step() or tls_write() the caller takes what is to be sent with tls_output().
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/own.h"
#include "crypto/cert.h"

#define TLS_ALPN "amparo/1"
#define TLS_EXPORTER_BYTES 32
#define TLS_INPUT_MAX (4 << 20)	    /**< bytes that tls_input() holds before they are read */
#define TLS_OUTPUT_HIGH (128 << 10) /**< bytes unsent from which on tls_write() takes no more */

/** What a step came to. */
enum tls_result {
	TLS_OK,	       /**< done what was asked */
	TLS_AGAIN_IN,  /**< needs more bytes from the peer */
	TLS_AGAIN_OUT, /**< needs tls_output() to be sent first */
	TLS_CLOSED,    /**< the peer closed properly */
	TLS_FAILED,    /**< err_detail() says why; the session is dead */
};

enum tls_role {
	TLS_DIALLER = 1,
	TLS_LISTENER = 2,
};

/** Our certificate, key and settings, shared by all sessions, which it outlives. */
struct tls_context;

/** One session. */
struct tls;

/**
 * @param chain_pem  our TLS chain, leaf first
 * @param key_pem    its key; must fit the leaf
 * @param trust      borrowed, outlives the context
 * @param utc_s      clock for certificate times; NULL: the real one (simulation gives its own)
 * @retval ERR_CONFIG  not PEM, key does not fit, leaf breaks the profile
 */
enum err tls_context_new(struct view chain_pem, struct view key_pem, const struct trust *trust,
			 int64_t (*utc_s)(void *ctx), void *ctx,
			 struct tls_context **ret) WARN_UNUSED;
void tls_context_free(struct tls_context *c);
DEFINE_FREEP(struct tls_context, tls_context_free)

enum err tls_new(struct tls_context *c, enum tls_role role, struct tls **ret) WARN_UNUSED;
void tls_free(struct tls *t);
DEFINE_FREEP(struct tls, tls_free)

/**
 * Hand over bytes that came from the peer; all are taken.
 *
 * @retval ERR_LIMIT  more than TLS_INPUT_MAX unread: the caller reads first, then hands over more
 */
enum err tls_input(struct tls *t, struct view in) WARN_UNUSED;

/** Bytes to send to the peer; the caller consumes them from the buffer, which belongs to @p t. */
struct buf *tls_output(struct tls *t);

/**
 * Go on with the handshake. TLS_OK: it stands, and the peer is known.
 *
 * A dialler's stands before the listener has judged the dialler's certificate: a refusal comes as
 * TLS_FAILED of a later tls_read(). After TLS_FAILED tls_output() may hold an alert to send.
 */
enum tls_result tls_handshake(struct tls *t);

/** After TLS_FAILED: ERR_CERT, ERR_REVOKED ... when we refused the peer's certificate, else
 * ERR_TLS. */
enum err tls_error(const struct tls *t) WARN_UNUSED;

/** Decrypt up to @p n > 0 bytes. TLS_OK with *ret_n > 0; call again until TLS_AGAIN_IN. */
enum tls_result tls_read(struct tls *t, uint8_t *p, size_t n, size_t *ret_n);

/** Encrypt; all of @p v is taken on TLS_OK, none on TLS_AGAIN_OUT (TLS_OUTPUT_HIGH). */
enum tls_result tls_write(struct tls *t, struct view v);

/** Say goodbye (close_notify), to be sent by tls_output(). */
void tls_shutdown(struct tls *t);

/** Whose certificate the peer showed; only after the handshake. */
const struct agency_id *tls_peer(const struct tls *t);

/** When the certificate that the peer showed ends (notAfter), UTC seconds; after the handshake. */
enum err tls_peer_until(const struct tls *t, int64_t *ret_utc_s) WARN_UNUSED;

/** The channel binding of RFC 9266; only after the handshake. */
enum err tls_exporter(const struct tls *t, uint8_t ret[TLS_EXPORTER_BYTES]) WARN_UNUSED;

/** Is the peer's certificate still good? Again on CRL reload and every 60 s. */
enum err tls_recheck(const struct tls *t, const struct trust *trust, int64_t utc_s) WARN_UNUSED;

#endif
