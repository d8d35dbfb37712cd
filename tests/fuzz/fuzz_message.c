/*
 * Bytes as any message, as text and as frames. The first byte of an input chooses the message, the
 * others are its encoding. What must hold for all: no fault of memory, and one encoding a message.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/text.h"
#include "wire/varint.h"

/* Corpora name messages by their place: new ones at the end. */
static const ProtobufCMessageDescriptor *const descs[] = {
	&pb_frame_desc,	      &pb_entry_desc,	      &pb_receipt_desc,	      &pb_manifest_desc,
	&pb_seal_desc,	      &pb_referral_desc,      &pb_status_desc,	      &pb_supplement_desc,
	&pb_correction_desc,  &pb_recall_answer_desc, &pb_key_desc,	      &pb_epoch_desc,
	&pb_notice_desc,      &pb_adopt_desc,	      &pb_victim_record_desc, &pb_case_record_desc,
	&pb_api_request_desc, &pb_api_reply_desc,     &pb_relay_desc,	      &pb_local_part_desc,
};

static void check_decode(const ProtobufCMessageDescriptor *desc, struct view in)
{
	CLEANUP(message_freep) void *strict = NULL;
	CLEANUP(message_freep) void *lenient = NULL;
	CLEANUP(buf_fini) struct buf again = {0};
	enum err e = message_decode(desc, in, MESSAGE_STRICT, &strict);

	ASSERT((strict != NULL) == (e == ERR_OK));
	if (!strict) {
		ASSERT(err_class(e) == ERR_CLASS_PEER || e == ERR_NOMEM);
		(void)!message_decode(desc, in, MESSAGE_LENIENT, &lenient);
		return;
	}
	ASSERT(message_size(strict) == in.n);
	ASSERT(message_encode(strict, &again) == ERR_OK);
	ASSERT(view_eq(buf_view(&again), in));
	ASSERT(message_decode(desc, in, MESSAGE_LENIENT, &lenient) == ERR_OK);
	ASSERT(message_which(strict, 1) <= WIRE_NUMBER_MAX);
}

static void check_frames(struct view in)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct view body;
	size_t n;

	ASSERT(buf_put_view(&b, in) == ERR_OK);
	for (n = b.n; frame_take(&b, FRAME_BODY_MAX, &body) == ERR_OK; n = b.n) {
		CLEANUP(message_freep) struct pb_frame *f = NULL;

		ASSERT(body.n > 0 && b.n + FRAME_HEAD_BYTES + body.n == n);
		if (frame_decode(body, &f) == ERR_OK)
			ASSERT(message_which(f, 1) != 0);
	}
	ASSERT(b.n == n);
}

static void check_fields(struct view in)
{
	struct wire_reader r = wire_reader(in);
	struct wire_field f;

	while (!wire_is_end(&r)) {
		const uint8_t *before = r.p;

		if (wire_next(&r, &f) != ERR_OK)
			return;
		ASSERT(f.whole.p == before && before + f.whole.n == r.p && r.p <= r.end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in;

	if (size == 0)
		return 0;
	in = view_of(data + 1, size - 1);
	check_decode(descs[data[0] % ARRAY_LEN(descs)], in);
	check_frames(in);
	check_fields(in);
	ASSERT(text_is_valid(in) == (text_check(in) == ERR_OK));
	return 0;
}
