#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#include "wire/scan.h"

/*
 * protobuf-c keeps notes of 32 bytes a field while it unpacks, in arrays that double, and so
 * fewer than twice as many as there are fields.
 */
#define SCRATCH_A_FIELD 96u
#define SCRATCH_BASE 512u

/* The allocator of one unpacking: what it may still give, and why it gave nothing. */
struct budget {
	size_t left;
	enum err why;
};

/*
 * Zeroed, since protobuf-c 1.4.1 frees arrays that it has not filled when unpacking fails half-way.
 */
static void *budget_alloc(void *data, size_t n)
{
	struct budget *b = data;
	size_t cost = scan_cost(n);
	void *p;

	if (n > b->left || cost > b->left) {
		b->why = ERR_LIMIT;
		return NULL;
	}
	p = calloc(1, n ? n : 1);
	if (!p) {
		b->why = ERR_NOMEM;
		return NULL;
	}
	b->left -= cost;
	return p;
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

static enum err unpack(const ProtobufCMessageDescriptor *desc, struct view in,
		       const struct scan *scan, ProtobufCMessage **ret)
{
	struct budget budget = {
		.left = scan->n_held + SCRATCH_BASE + SCRATCH_A_FIELD * scan->n_fields,
		.why = ERR_FORMAT,
	};
	ProtobufCAllocator allocator = {
		.alloc = budget_alloc,
		.free = budget_free,
		.allocator_data = &budget,
	};

	*ret = protobuf_c_message_unpack(desc, &allocator, in.n, in.p);
	if (!*ret)
		return err_new(budget.why, "unpacking %s of %zu bytes", desc->name, in.n);
	return ERR_OK;
}

/*
 * The scan has refused every encoding but one; here another's code (protobuf-c's packing) says the
 * same, so that a hole in the scan is no hole in the protocol.
 */
static enum err check_repacked(const ProtobufCMessage *m, struct view in)
{
	CLEANUP(freep) uint8_t *again = NULL;

	if (protobuf_c_message_get_packed_size(m) != in.n)
		return err_new(ERR_CANONICAL, "%s packs to another length", m->descriptor->name);
	if (in.n == 0)
		return ERR_OK;
	again = malloc(in.n);
	if (!again)
		return err_new(ERR_NOMEM, "%zu bytes", in.n);
	if (protobuf_c_message_pack(m, again) != in.n || memcmp(again, in.p, in.n) != 0)
		return err_new(ERR_CANONICAL, "%s packs to other bytes", m->descriptor->name);
	return ERR_OK;
}

enum err message_decode(const ProtobufCMessageDescriptor *desc, struct view in,
			enum message_mode mode, void *ret)
{
	CLEANUP(message_freep) ProtobufCMessage *m = NULL;
	struct scan scan;
	enum err e;

	e = scan_message(desc, in, mode, &scan);
	if (e)
		return err_trace(e);
	e = unpack(desc, in, &scan, &m);
	if (e)
		return err_trace(e);
	if (mode == MESSAGE_STRICT) {
		e = check_repacked(m, in);
		if (e)
			return err_trace(e);
	}
	*(void **)ret = TAKE(m);
	return ERR_OK;
}

void message_free(void *message)
{
	/* Freeing asks the allocator for nothing and does not look at its budget. */
	ProtobufCAllocator allocator = {.alloc = budget_alloc, .free = budget_free};

	protobuf_c_message_free_unpacked(message, &allocator);
}

size_t message_size(const void *message)
{
	return protobuf_c_message_get_packed_size(message);
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
	ASSERT(protobuf_c_message_pack(message, to) == n);
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
