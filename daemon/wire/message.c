#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#include "wire/build.h"
#include "wire/encode.h"
#include "wire/scan.h"

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

size_t message_size(const void *message)
{
	return encode_size(message);
}

enum err message_encode(const void *message, struct buf *out)
{
	size_t n = message_size(message);
	uint8_t *to;
	enum err e;

	if (n == 0)
		return ERR_OK;
	e = buf_reserve(out, n, &to);
	if (e)
		return err_trace(e);
	encode_write(message, n, to);
	buf_advance(out, n);
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
