#include "vault/api_reply.h"

#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

#define TAG_ID 0x08   /* field 1, varint */
#define TAG_MORE 0x10 /* field 2, varint */

bool api_reply_is_last(struct view reply)
{
	size_t at = 0;

	if (at < reply.n && reply.p[at] == TAG_ID) {
		at++;
		while (at < reply.n && reply.p[at] & 0x80)
			at++;
		at++;
	}
	return !(at + 1 < reply.n && reply.p[at] == TAG_MORE && reply.p[at + 1] == 1);
}

enum err api_reply_error(struct view request, Amparo__V1__ApiErrorCode code, const char *text,
			 struct buf *out)
{
	CLEANUP(message_freep) struct pb_api_request *asked = NULL;
	CLEANUP(freep) char *words = strdup(text);
	struct pb_api_error error = PB_API_ERROR_INIT;
	struct pb_api_reply reply = PB_API_REPLY_INIT;

	if (!words)
		return err_new(ERR_NOMEM, "reply");
	if (message_decode(&pb_api_request_desc, request, MESSAGE_STRICT, &asked) == ERR_OK) {
		reply.has_id = asked->has_id;
		reply.id = asked->id;
	}
	error.has_code = 1;
	error.code = code;
	error.text = words;
	reply.error = &error;
	return frame_put_message(out, &reply);
}
