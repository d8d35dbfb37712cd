/**
 * @file
 * Errors: one enum for the whole daemon, and where the last one came from.
 *
 * Every function that can fail returns enum err and leaves its outputs untouched when it does. The
 * class says what the top of the program does about it: wait, close and count, retry and alarm,
 * refuse to start, abort. The origin (file, line, a library's own words) is noted once, where the
 * error arises, and logged once, by the layer that decides.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/** What the top does: nothing, wait, blame the peer, alarm, refuse to start, abort. */
enum err_class {
	ERR_CLASS_OK,
	ERR_CLASS_AGAIN,
	ERR_CLASS_PEER,
	ERR_CLASS_LOCAL,
	ERR_CLASS_CONFIG,
	ERR_CLASS_BUG,
};

/* code, class, text that people read */
#define ERR_LIST(X)                                                                                \
	X(ERR_OK, OK, "ok")                                                                        \
	X(ERR_AGAIN, AGAIN, "more input is needed")                                                \
	X(ERR_FULL, AGAIN, "no room now")                                                          \
	X(ERR_CLOSED, AGAIN, "the other side closed")                                              \
	X(ERR_FORMAT, PEER, "not well-formed")                                                     \
	X(ERR_LIMIT, PEER, "over a limit")                                                         \
	X(ERR_CANONICAL, PEER, "not in canonical encoding")                                        \
	X(ERR_TEXT, PEER, "text is not strict UTF-8 or holds control characters")                  \
	X(ERR_VERSION, PEER, "unknown version")                                                    \
	X(ERR_SIGNATURE, PEER, "signature does not verify")                                        \
	X(ERR_CERT, PEER, "certificate is not acceptable")                                         \
	X(ERR_REVOKED, PEER, "certificate is revoked")                                             \
	X(ERR_PROOF, PEER, "proof does not verify")                                                \
	X(ERR_CHAIN, PEER, "position or head of the pair chain does not fit")                      \
	X(ERR_CONTRADICTION, PEER, "signed statements contradict each other")                      \
	X(ERR_TLS, PEER, "TLS failed")                                                             \
	X(ERR_DECRYPT, LOCAL, "stored data does not decrypt")                                      \
	X(ERR_NOT_FOUND, LOCAL, "not found")                                                       \
	X(ERR_EXISTS, LOCAL, "exists already")                                                     \
	X(ERR_STATE, LOCAL, "not possible in this state")                                          \
	X(ERR_DENIED, LOCAL, "not allowed")                                                        \
	X(ERR_INVALID, LOCAL, "invalid value")                                                     \
	X(ERR_IO, LOCAL, "input or output failed")                                                 \
	X(ERR_STORAGE, LOCAL, "the database failed")                                               \
	X(ERR_NOMEM, LOCAL, "out of memory")                                                       \
	X(ERR_CRYPTO, LOCAL, "the cryptographic library failed")                                   \
	X(ERR_CLOCK, LOCAL, "the clock is not believable")                                         \
	X(ERR_ROLLBACK, LOCAL, "the database stands behind what was signed")                       \
	X(ERR_CONFIG, CONFIG, "configuration is not acceptable")                                   \
	X(ERR_BUG, BUG, "an assumption of ours does not hold")

/** Every error of the daemon; ERR_OK is 0. */
enum err {
#define X(code, class, text) code,
	ERR_LIST(X)
#undef X
};

#define ERR_DETAIL_MAX 256 /**< bytes kept of the detail, with the ending NUL */

#define WARN_UNUSED __attribute__((warn_unused_result))

/** Text for people, never NULL, static. */
const char *err_text(enum err e);

/** Name of the code ("ERR_PROOF"), never NULL, static. */
const char *err_name(enum err e);

/** Class of the code. */
enum err_class err_class(enum err e);

/**
 * Note where an error arises and pass it on; use as `return err_new(ERR_X, "why %d", n)`.
 *
 * The detail is for operators: no personal data, no text of a peer. Library messages are welcome,
 * and so is err_words() of the error before.
 *
 * @param e  the error, not ERR_OK
 * @return   @p e
 */
#define err_new(e, ...) err_new_at((e), __FILE__, __LINE__, __VA_ARGS__)

/** Pass an error on unchanged: `if (e) return err_trace(e);`. Notes the place if none is yet. */
#define err_trace(e) err_trace_at((e), __FILE__, __LINE__)

/** Behind err_new(). */
enum err err_new_at(enum err e, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/** Behind err_trace(): notes the origin only when none is noted yet. */
enum err err_trace_at(enum err e, const char *file, int line);

/** Detail of the newest error of this thread: "file:line: words"; "" before the first. Static. */
const char *err_detail(void);

/** Only the words of the newest error, without file and line: what a caller shows to people. */
const char *err_words(void);

/** Forget the detail: at the start of a piece of work whose errors are reported by itself. */
void err_clear(void);

/** Stop the program when an invariant of ours does not hold; stays on in release builds. */
#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (!(cond))                                                                       \
			err_abort(#cond, __FILE__, __LINE__);                                      \
	} while (0)

/** Behind ASSERT(): says where on descriptor 2 and aborts. */
_Noreturn void err_abort(const char *cond, const char *file, int line);

#endif
