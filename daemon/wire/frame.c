#include "wire/frame.h"

#include <string.h>

#include "wire/encode.h"

_Static_assert(FRAME_RELAY_MAX == MESSAGE_BYTES_MAX, "what fits a frame can be decoded");

enum err frame_take(struct buf *in, size_t limit, struct view *ret)
{
	struct view all = buf_view(in);
	uint32_t n;

	ASSERT(limit > 0 && limit <= FRAME_RELAY_MAX);
	if (all.n < FRAME_HEAD_BYTES)
		return ERR_AGAIN;
	n = get_u32be(all.p);
	if (n == 0)
		return err_new(ERR_FORMAT, "frame of length 0");
	if (n > limit)
		return err_new(ERR_LIMIT, "frame of %u bytes, at most %zu", (unsigned)n, limit);
	if (all.n - FRAME_HEAD_BYTES < n)
		return ERR_AGAIN;
	*ret = view_of(all.p + FRAME_HEAD_BYTES, n);
	/* Consuming moves the head only, so the view stays good. */
	buf_consume(in, FRAME_HEAD_BYTES + n);
	return ERR_OK;
}

size_t frame_missing(const struct buf *in, size_t limit)
{
	struct view all = buf_view(in);
	uint32_t n;

	if (all.n < FRAME_HEAD_BYTES)
		return 0;
	n = get_u32be(all.p);
	return n > limit || all.n - FRAME_HEAD_BYTES >= n ? 0 : n - (all.n - FRAME_HEAD_BYTES);
}

/* Room for a whole frame, its length written; the body goes to *ret. */
static enum err begin(struct buf *out, size_t n, size_t limit, uint8_t **ret)
{
	uint8_t *to;
	enum err e;

	if (n == 0 || n > limit)
		return err_new(ERR_LIMIT, "frame of %zu bytes, at most %zu", n, limit);
	e = buf_reserve(out, FRAME_HEAD_BYTES + n, &to);
	if (e)
		return err_trace(e);
	put_u32be(to, (uint32_t)n);
	*ret = to + FRAME_HEAD_BYTES;
	return ERR_OK;
}

enum err frame_put(struct buf *out, struct view body)
{
	uint8_t *to;
	enum err e;

	e = begin(out, body.n, FRAME_BODY_MAX, &to);
	if (e)
		return err_trace(e);
	memcpy(to, body.p, body.n);
	buf_advance(out, FRAME_HEAD_BYTES + body.n);
	return ERR_OK;
}

static enum err put_message(struct buf *out, const void *message, size_t limit)
{
	size_t n = message_size(message);
	uint8_t *to;
	enum err e;

	e = begin(out, n, limit, &to);
	if (e)
		return err_trace(e);
	ASSERT(encode_write(message, to + n, n) == n);
	buf_advance(out, FRAME_HEAD_BYTES + n);
	return ERR_OK;
}

enum err frame_put_message(struct buf *out, const void *message)
{
	return put_message(out, message, FRAME_BODY_MAX);
}

enum err frame_put_relay(struct buf *out, const void *message)
{
	return put_message(out, message, FRAME_RELAY_MAX);
}

enum err frame_decode(struct view body, struct pb_frame **ret)
{
	CLEANUP(message_freep) struct pb_frame *f = NULL;
	enum err e;

	e = message_decode(&pb_frame_desc, body, MESSAGE_BORROW, &f);
	if (e)
		return err_trace(e);
	if (message_which(f, 1) == 0)
		return err_new(ERR_FORMAT, "frame without content or with several");
	*ret = TAKE(f);
	return ERR_OK;
}
