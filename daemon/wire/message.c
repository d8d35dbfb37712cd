#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#include "wire/build.h"
#include "wire/encode.h"
#include "wire/scan.h"

#define FIRST_BYTES 512 /* of a buffer that has no storage yet */

enum err message_decode(const ProtobufCMessageDescriptor *desc, struct view in,
			enum message_mode mode, void *ret)
{
	ProtobufCMessage *m;
	struct scan scan;
	enum err e;

	e = scan_message(desc, in, mode, &scan);
	if (e)
		return err_trace(e);
	e = build_message(desc, in, &scan, &m);
	if (e)
		return err_trace(e);
	*(void **)ret = m;
	return ERR_OK;
}

void message_free(void *message)
{
	free(message);
}

const ProtobufCMessageDescriptor message_encoded_desc = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "encoded before",
	.sizeof_message = sizeof(struct message_encoded),
};

struct message_encoded message_encoded(struct view bytes)
{
	return (struct message_encoded){.base.descriptor = &message_encoded_desc, .bytes = bytes};
}

size_t message_size(const void *message)
{
	return encode_size(message);
}

static enum err append(const void *message, size_t n, struct buf *out)
{
	uint8_t *to;
	enum err e = buf_reserve(out, n, &to);

	if (e)
		return err_trace(e);
	ASSERT(encode_write(message, to + n, n) == n);
	buf_advance(out, n);
	return ERR_OK;
}

enum err message_encode(const void *message, struct buf *out)
{
	uint8_t *to;
	enum err e = ERR_OK;
	size_t n;

	if (out->n || out->limit)
		return append(message, message_size(message), out);
	if (!out->data)
		e = buf_reserve(out, FIRST_BYTES, &to);
	if (e)
		return err_trace(e);
	/* most fit: then they need not be measured before */
	n = encode_write(message, out->data + out->cap, out->cap);
	if (n > out->cap)
		return append(message, n, out);
	buf_hold_last(out, n);
	return ERR_OK;
}

uint32_t message_which(const void *message, uint32_t from)
{
	const ProtobufCMessageDescriptor *desc = ((const ProtobufCMessage *)message)->descriptor;
	uint32_t found = 0;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		const void *sub;

		if (field->id < from || field->type != PROTOBUF_C_TYPE_MESSAGE ||
		    field->label == PROTOBUF_C_LABEL_REPEATED)
			continue;
		memcpy(&sub, (const char *)message + field->offset, sizeof(sub));
		if (!sub)
			continue;
		if (found)
			return 0;
		found = field->id;
	}
	return found;
}

char *message_borrow_text(const char *s)
{
	union {
		const char *in;
		char *out;
	} text = {.in = s};

	return text.out;
}

ProtobufCBinaryData message_borrow(struct view v)
{
	/* protobuf-c has no const: it only reads what is packed. */
	return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)v.p, .len = v.n};
}
