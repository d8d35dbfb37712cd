/**
 * @file
 * The client side of a node's local socket: send an ApiRequest, take its ApiReplies.
 *
 *   api_client_open -> api_client_ask -> api_client_next (once a row, until the reply without
 *   `more` or with an error) -> api_client_ask ... -> api_client_free
 *
 * Blocks, with time-outs. One request at a time. The other side is this machine's own node, yet
 * its bytes are read as strictly as a peer's.
 */
#ifndef API_CLIENT_H
#define API_CLIENT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/own.h"
#include "wire/message.h"

struct api_client;

/**
 * Connect to the socket.
 *
 * @param path        of the socket, at most 107 bytes
 * @param timeout_ms  how long a busy node may take, 1..
 * @retval ERR_INVALID    the path is empty or too long for a socket
 * @retval ERR_NOT_FOUND  no such file, or nobody listens behind it
 * @retval ERR_DENIED     the file's mode does not let this user in
 * @retval ERR_AGAIN      time-out
 * @retval ERR_IO ERR_NOMEM
 *
 * Owner: caller frees with api_client_free(), which closes the connection.
 */
enum err api_client_open(const char *path, int timeout_ms, struct api_client **ret) WARN_UNUSED;
void api_client_free(struct api_client *c);
DEFINE_FREEP(struct api_client, api_client_free)

/**
 * Send a request. A connection that the node closes meanwhile is no error here: its last words are
 * still to be read, and api_client_next() tells when there are none.
 *
 * @param request     one verb set; its id is set here
 * @param timeout_ms  how long the node may take nothing, 1..
 * @retval ERR_STATE  replies of the request before are still to come
 * @retval ERR_LIMIT  over FRAME_BODY_MAX
 * @retval ERR_AGAIN  time-out
 * @retval ERR_IO ERR_NOMEM
 */
enum err api_client_ask(struct api_client *c, struct pb_api_request *request,
			int timeout_ms) WARN_UNUSED;

/** Is a reply still to come? False once one without `more`, or with an error, has been taken. */
bool api_client_is_waiting(const struct api_client *c);

/**
 * Wait for the next reply.
 *
 * @param timeout_ms   how long the node may be silent, 1..
 * @param[out] ret     set on ERR_OK only; may hold an error of the node's: see its `error`
 * @retval ERR_STATE   no reply is to come
 * @retval ERR_AGAIN   time-out
 * @retval ERR_CLOSED  the node closed the connection
 * @retval ERR_FORMAT  the reply belongs to another request
 * @retval ERR_IO ERR_NOMEM
 * others as frame_take() and message_decode(): the node speaks another version
 *
 * Owner: caller frees *ret with message_free().
 */
enum err api_client_next(struct api_client *c, int timeout_ms,
			 struct pb_api_reply **ret) WARN_UNUSED;

#endif
