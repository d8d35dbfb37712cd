/**
 * @file
 * Agency ids are SPIFFE ids, read by our own strict parser (OpenSSL's URI name constraints are no
 * defence): `spiffe://<trust domain>/<agency>`.
 *
 *   trust domain  1..253 of [a-z0-9.-]; labels of 1..63, none begins or ends with '-'
 *   agency        exactly one path segment, 1..64 of [A-Za-z0-9._-], not "." or ".."
 *
 * No port, user, query, fragment, percent-encoding, trailing slash or upper-case scheme.
 */
#ifndef BASE_AGENCY_ID_H
#define BASE_AGENCY_ID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/err.h"

#define TRUST_DOMAIN_MAX 253
#define AGENCY_NAME_MAX 64
#define AGENCY_ID_PREFIX "spiffe://"
#define AGENCY_ID_MAX (9 + TRUST_DOMAIN_MAX + 1 + AGENCY_NAME_MAX) /**< characters without NUL */

/** A checked id; only agency_id_parse() fills one. */
struct agency_id {
	char text[AGENCY_ID_MAX + 1]; /**< the whole URI, NUL-terminated */
	size_t n_text;
	size_t n_domain; /**< characters of the trust domain, which starts at text + 9 */
};

/**
 * Check and copy an id.
 *
 * @param text      bytes as received, need not end in NUL; an embedded NUL is refused
 * @retval ERR_FORMAT  anything but the form above
 */
enum err agency_id_parse(struct view text, struct agency_id *ret) WARN_UNUSED;

/** Whether @p domain alone is a trust domain as above. */
bool trust_domain_is_valid(struct view domain);

bool agency_id_eq(const struct agency_id *a, const struct agency_id *b);

/** Bytewise order of the texts, as strcmp(). */
int agency_id_cmp(const struct agency_id *a, const struct agency_id *b);

/** The trust domain, borrowed from @p id, without NUL. */
struct view agency_id_domain(const struct agency_id *id);

/** The agency's name after the last slash, NUL-terminated, borrowed from @p id. */
const char *agency_id_name(const struct agency_id *id);

/** "host/agency": the id without its scheme, as a checkpoint's origin begins. Borrowed. */
const char *agency_id_bare(const struct agency_id *id);

#endif
