/**
 * @file
 * What the local socket's server itself reads and writes of replies; everything else of them is
 * the node's.
 */
#ifndef VAULT_API_REPLY_H
#define VAULT_API_REPLY_H

#include <stdbool.h>

#include "wire/message.h"

/** Is this ApiReply of ours the last of its request? It is unless `more` is set. */
bool api_reply_is_last(struct view reply);

/**
 * Append a framed error.
 *
 * @param request  the ApiRequest that it answers, for its id; need not be one at all
 */
enum err api_reply_error(struct view request, Amparo__V1__ApiErrorCode code, const char *text,
			 struct buf *out) WARN_UNUSED;

#endif
