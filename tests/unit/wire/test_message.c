/* Decoding and encoding of messages: every class of malformed encoding, and what is left is one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "golden.h"
#include "wire/message.h"

struct row {
	const char *name;
	const ProtobufCMessageDescriptor *desc;
	const char *hex;
	enum err strict;
	enum err lenient;
};

/* What holds in both modes stands once. */
#define BOTH(e) (e), (e)

static const struct row rows[] = {
	{"empty", &pb_entry_desc, "", BOTH(ERR_OK)},
	{"one field", &pb_entry_desc, "08 01", BOTH(ERR_OK)},
	{"zero is a value", &pb_entry_desc, "08 00", BOTH(ERR_OK)},
	{"empty bytes are a value", &pb_entry_desc, "12 00", BOTH(ERR_OK)},
	{"empty text is a value", &pb_entry_desc, "2a 00", BOTH(ERR_OK)},
	{"empty submessage", &pb_frame_desc, "32 00", BOTH(ERR_OK)},
	{"64 bits", &pb_entry_desc, "18 ff ff ff ff ff ff ff ff ff 01", BOTH(ERR_OK)},
	{"32 bits", &pb_entry_desc, "08 ff ff ff ff 0f", BOTH(ERR_OK)},
	{"bool false", &pb_ping_desc, "08 00", BOTH(ERR_OK)},
	{"repeated number", &pb_hello_desc, "60 01 60 01", BOTH(ERR_OK)},
	/* cut short */
	{"tag cut", &pb_entry_desc, "88", BOTH(ERR_FORMAT)},
	{"value missing", &pb_entry_desc, "08", BOTH(ERR_FORMAT)},
	{"value cut", &pb_entry_desc, "08 80", BOTH(ERR_FORMAT)},
	{"length missing", &pb_entry_desc, "12", BOTH(ERR_FORMAT)},
	{"length cut", &pb_entry_desc, "12 80", BOTH(ERR_FORMAT)},
	{"content cut", &pb_entry_desc, "12 02 61", BOTH(ERR_FORMAT)},
	{"length of 2^64-1", &pb_entry_desc, "12 ff ff ff ff ff ff ff ff ff 01", BOTH(ERR_FORMAT)},
	{"length of 2^63", &pb_entry_desc, "12 80 80 80 80 80 80 80 80 80 01", BOTH(ERR_FORMAT)},
	{"length of 2^32", &pb_entry_desc, "12 80 80 80 80 10", BOTH(ERR_FORMAT)},
	{"longer than its parent", &pb_frame_desc, "0a 02 2a 05 01 02 03 04 05", BOTH(ERR_FORMAT)},
	{"unknown cut", &pb_entry_desc, "71 00 00 00 00", BOTH(ERR_FORMAT)},
	{"unknown cut, 32 bits", &pb_entry_desc, "75 00 00 00", BOTH(ERR_FORMAT)},
	/* varints */
	{"tag not minimal", &pb_entry_desc, "88 00 01", BOTH(ERR_CANONICAL)},
	{"value not minimal", &pb_entry_desc, "08 81 00", BOTH(ERR_CANONICAL)},
	{"zero not minimal", &pb_entry_desc, "08 80 00", BOTH(ERR_CANONICAL)},
	{"length not minimal", &pb_entry_desc, "12 81 00 61", BOTH(ERR_CANONICAL)},
	{"65 bits", &pb_entry_desc, "18 ff ff ff ff ff ff ff ff ff 02", BOTH(ERR_FORMAT)},
	{"eleven bytes", &pb_entry_desc, "18 80 80 80 80 80 80 80 80 80 80 01", BOTH(ERR_FORMAT)},
	{"eleven bytes in ten", &pb_entry_desc, "18 80 80 80 80 80 80 80 80 80 81",
	 BOTH(ERR_FORMAT)},
	/* ranges */
	{"33 bits in uint32", &pb_entry_desc, "08 80 80 80 80 10", BOTH(ERR_CANONICAL)},
	{"2 in bool", &pb_ping_desc, "08 02", BOTH(ERR_CANONICAL)},
	{"2^32-1 in enum", &pb_entry_desc, "20 ff ff ff ff 0f", BOTH(ERR_CANONICAL)},
	{"-2^31-1 in enum", &pb_entry_desc, "20 ff ff ff ff f7 ff ff ff ff 01",
	 BOTH(ERR_CANONICAL)},
	{"unknown enum value", &pb_entry_desc, "20 63", ERR_CANONICAL, ERR_OK},
	{"enum value 0", &pb_entry_desc, "20 00", ERR_CANONICAL, ERR_OK},
	{"-1 in enum", &pb_entry_desc, "20 ff ff ff ff ff ff ff ff ff 01", ERR_CANONICAL, ERR_OK},
	/* tags */
	{"number 0", &pb_entry_desc, "00 01", BOTH(ERR_FORMAT)},
	{"number 2^29", &pb_entry_desc, "80 80 80 80 10 00", BOTH(ERR_FORMAT)},
	{"number 2^29-1", &pb_entry_desc, "f8 ff ff ff 0f 00", ERR_CANONICAL, ERR_OK},
	{"group", &pb_entry_desc, "0b 0c", BOTH(ERR_FORMAT)},
	{"end of a group", &pb_entry_desc, "0c", BOTH(ERR_FORMAT)},
	{"unknown group", &pb_entry_desc, "73 74", BOTH(ERR_FORMAT)},
	{"wire type 6", &pb_entry_desc, "0e 01", BOTH(ERR_FORMAT)},
	{"wire type 7", &pb_entry_desc, "0f 01", BOTH(ERR_FORMAT)},
	{"number as 32 bits", &pb_entry_desc, "0d 01 00 00 00", BOTH(ERR_FORMAT)},
	{"number as 64 bits", &pb_entry_desc, "09 01 00 00 00 00 00 00 00", BOTH(ERR_FORMAT)},
	{"number as bytes", &pb_entry_desc, "0a 01 01", BOTH(ERR_FORMAT)},
	{"bool as bytes", &pb_ping_desc, "0a 01 01", BOTH(ERR_FORMAT)},
	{"bytes as number", &pb_entry_desc, "10 01", BOTH(ERR_FORMAT)},
	{"message as number", &pb_frame_desc, "08 01", BOTH(ERR_FORMAT)},
	{"packed", &pb_hello_desc, "62 02 01 02", BOTH(ERR_FORMAT)},
	/* order and count */
	{"out of order", &pb_entry_desc, "18 01 08 01", BOTH(ERR_CANONICAL)},
	{"twice", &pb_entry_desc, "08 01 08 01", BOTH(ERR_CANONICAL)},
	{"bytes twice", &pb_entry_desc, "12 01 61 12 01 61", BOTH(ERR_CANONICAL)},
	{"submessage twice", &pb_frame_desc, "32 00 32 00", BOTH(ERR_CANONICAL)},
	{"repeated, torn apart", &pb_hello_desc, "2a 00 32 00 2a 00", BOTH(ERR_CANONICAL)},
	{"unknown, out of order", &pb_entry_desc, "70 01 08 01", ERR_CANONICAL, ERR_CANONICAL},
	/* unknown fields */
	{"unknown at the end", &pb_entry_desc, "08 01 70 01", ERR_CANONICAL, ERR_OK},
	{"unknown twice", &pb_entry_desc, "70 01 70 02", ERR_CANONICAL, ERR_OK},
	{"unknown bytes", &pb_entry_desc, "72 03 ff fe fd", ERR_CANONICAL, ERR_OK},
	{"unknown 32 bits", &pb_entry_desc, "75 01 02 03 04", ERR_CANONICAL, ERR_OK},
	{"unknown 64 bits", &pb_entry_desc, "71 01 02 03 04 05 06 07 08", ERR_CANONICAL, ERR_OK},
	{"unknown between known", &pb_hello_desc, "60 01 68 01 7a 00", ERR_CANONICAL, ERR_OK},
	{"unknown inside", &pb_frame_desc, "32 02 10 01", ERR_CANONICAL, ERR_OK},
	{"any field of an empty message", &pb_peer_list_desc, "08 01", ERR_CANONICAL, ERR_OK},
	/* text */
	{"not UTF-8", &pb_entry_desc, "2a 02 c3 28", BOTH(ERR_TEXT)},
	{"NUL", &pb_entry_desc, "2a 03 61 00 62", BOTH(ERR_TEXT)},
	{"NUL at the end", &pb_entry_desc, "2a 02 61 00", BOTH(ERR_TEXT)},
	{"line break", &pb_entry_desc, "2a 01 0a", BOTH(ERR_TEXT)},
	{"right-to-left override", &pb_entry_desc, "2a 03 e2 80 ae", BOTH(ERR_TEXT)},
	{"inside", &pb_frame_desc, "0a 03 1a 01 7f", BOTH(ERR_TEXT)},
	{"repeated text", &pb_status_desc, "22 01 61 22 01 80", BOTH(ERR_TEXT)},
	{"bytes may be anything", &pb_entry_desc, "12 03 00 ff 0a", BOTH(ERR_OK)},
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		CLEANUP(buf_fini) struct buf in = {0};
		CLEANUP(message_freep) void *strict = NULL;
		CLEANUP(message_freep) void *lenient = NULL;

		unhex(r->hex, &in);
		if (message_decode(r->desc, buf_view(&in), MESSAGE_STRICT, &strict) != r->strict ||
		    message_decode(r->desc, buf_view(&in), MESSAGE_LENIENT, &lenient) != r->lenient)
			fail_msg("%s: %s", r->name, err_detail());
		assert_int_equal(strict == NULL, r->strict != ERR_OK);
		assert_int_equal(lenient == NULL, r->lenient != ERR_OK);
	}
}

static void values_arrive(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};
	CLEANUP(message_freep) struct pb_entry *m = NULL;
	struct view nonce;

	(void)state;
	golden_entry(&in);
	assert_int_equal(message_size(&(struct pb_entry)PB_ENTRY_INIT), 0);
	assert_int_equal(message_decode(&pb_entry_desc, buf_view(&in), MESSAGE_STRICT, &m), ERR_OK);
	assert_int_equal(m->time_us, UINT64_C(1700000000123456));
	assert_int_equal(m->kind, PB(ENTRY_KIND, REFERRAL));
	assert_string_equal(m->addressee, "spiffe://ochrana.cz.example/umpod");
	assert_int_equal(m->k, 300);
	assert_true(m->has_seen_k);
	assert_false(m->has_answers);
	nonce = message_bytes(m->has_nonce, m->nonce);
	assert_true(view_eq(nonce, view_str("0123456789abcdef0123456789abcdef")));
	assert_int_equal(message_bytes(m->has_answers, m->answers).n, 0);
	assert_int_equal(message_size(m), in.n);
}

static bool is_within(const void *p, const struct buf *b)
{
	return (uintptr_t)p - (uintptr_t)buf_data(b) < b->n;
}

/* Bytes stay where they are, at every level; texts, which end in a NUL, and numbers are copied. */
static void bytes_are_borrowed(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};
	CLEANUP(buf_fini) struct buf again = {0};
	CLEANUP(message_freep) struct pb_entry *m = NULL;
	CLEANUP(message_freep) struct pb_entry *own = NULL;

	(void)state;
	golden_entry(&in);
	assert_int_equal(message_decode(&pb_entry_desc, buf_view(&in), MESSAGE_BORROW, &m), ERR_OK);
	assert_int_equal(message_decode(&pb_entry_desc, buf_view(&in), MESSAGE_STRICT, &own),
			 ERR_OK);
	assert_true(is_within(m->nonce.data, &in));
	assert_false(is_within(own->nonce.data, &in));
	assert_false(is_within(m->addressee, &in));
	assert_string_equal(m->addressee, own->addressee);
	assert_int_equal(message_encode(m, &again), ERR_OK);
	assert_true(view_eq(buf_view(&again), buf_view(&in)));
}

/* What a newer version added is let through, and the fields that are known can be read. */
static void lenient_reads_a_newer_entry(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};
	CLEANUP(message_freep) struct pb_entry *m = NULL;

	(void)state;
	unhex("08 02 20 e3 03 30 ac 02 72 02 08 01", &in);
	assert_int_equal(message_decode(&pb_entry_desc, buf_view(&in), MESSAGE_LENIENT, &m),
			 ERR_OK);
	assert_int_equal(m->version, 2);
	assert_int_equal((int)m->kind, 483);
	assert_int_equal(m->k, 300);
}

/* A mutant is refused, or it is the one encoding of another message. */
static void check_mutant(const ProtobufCMessageDescriptor *desc, struct view mutant, size_t *n_ok)
{
	CLEANUP(message_freep) void *m = NULL;
	CLEANUP(buf_fini) struct buf again = {0};

	if (message_decode(desc, mutant, MESSAGE_STRICT, &m) != ERR_OK) {
		assert_null(m);
		return;
	}
	assert_int_equal(message_encode(m, &again), ERR_OK);
	assert_true(view_eq(buf_view(&again), mutant));
	++*n_ok;
}

static void mutate(const ProtobufCMessageDescriptor *desc, void (*make)(struct buf *))
{
	CLEANUP(buf_fini) struct buf golden = {0};
	CLEANUP(freep) uint8_t *mutant = NULL;
	size_t n_ok = 0;
	size_t n;

	make(&golden);
	n = golden.n;
	check_mutant(desc, buf_view(&golden), &n_ok);
	assert_int_equal(n_ok, 1);
	mutant = malloc(n + 1);
	assert_non_null(mutant);
	for (size_t at = 0; at <= n; at++) {
		const uint8_t *g = buf_data(&golden);

		memcpy(mutant, g, at);
		memcpy(mutant + at + 1, g + at, n - at);
		for (unsigned byte = 0; byte < 256; byte++) {
			mutant[at] = (uint8_t)byte;
			check_mutant(desc, view_of(mutant, n + 1), &n_ok); /* inserted */
			if (at == n)
				continue;
			memcpy(mutant + at + 1, g + at + 1, n - at - 1);
			check_mutant(desc, view_of(mutant, n), &n_ok); /* changed */
			memcpy(mutant + at + 1, g + at, n - at);
		}
		memcpy(mutant + at, g + at + (at < n), n - at - (at < n));
		if (at < n)
			check_mutant(desc, view_of(mutant, n - 1), &n_ok); /* deleted */
	}
	/* Some mutants are messages (another letter, another number): else nothing was shown. */
	assert_true(n_ok > n);
}

static void mutants_of_entry(void **state)
{
	(void)state;
	mutate(&pb_entry_desc, golden_entry);
}

static void mutants_of_receipt(void **state)
{
	(void)state;
	mutate(&pb_receipt_desc, golden_receipt);
}

static void mutants_of_hello(void **state)
{
	(void)state;
	mutate(&pb_frame_desc, golden_hello);
}

static void mutants_of_batch(void **state)
{
	(void)state;
	mutate(&pb_frame_desc, golden_batch);
}

/* Every beginning of a message that is not whole inside is refused, and none is read beyond. */
static void beginnings(void **state)
{
	CLEANUP(buf_fini) struct buf golden = {0};

	(void)state;
	golden_batch(&golden);
	for (size_t n = 1; n < golden.n; n++) {
		CLEANUP(message_freep) void *m = NULL;
		CLEANUP(freep) uint8_t *part = malloc(n);

		assert_non_null(part);
		memcpy(part, buf_data(&golden), n);
		assert_int_equal(
			message_decode(&pb_frame_desc, view_of(part, n), MESSAGE_STRICT, &m),
			ERR_FORMAT);
	}
}

static void encode_keeps_the_limit(void **state)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct pb_entry m = PB_ENTRY_INIT;

	(void)state;
	m.has_nonce = true;
	m.nonce = golden_bytes("0123456789");
	buf_init(&out, 11);
	assert_int_equal(message_encode(&m, &out), ERR_LIMIT);
	assert_int_equal(out.n, 0);
	out.limit = 12;
	assert_int_equal(message_encode(&m, &out), ERR_OK);
	assert_int_equal(out.n, 12);
}

static void which(void **state)
{
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct pb_node_status status = PB_NODE_STATUS_INIT;
	struct pb_record_list list = PB_RECORD_LIST_INIT;

	(void)state;
	request.has_id = true;
	assert_int_equal(message_which(&request, 10), 0);
	request.node_status = &status;
	assert_int_equal(message_which(&request, 10), 23);
	assert_int_equal(message_which(&request, 24), 0);
	request.record_list = &list;
	assert_int_equal(message_which(&request, 10), 0);
	assert_int_equal(message_which(&request, 12), 23);
}

static void check_codes(const ProtobufCEnumDescriptor *desc)
{
	for (unsigned i = 0; i < desc->n_values; i++) {
		const char *code = message_enum_code(desc, desc->values[i].value);

		if (!code)
			fail_msg("%s has no code", desc->values[i].name);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(code,
						message_enum_code(desc, desc->values[j].value));
	}
}

static void enum_codes(void **state)
{
	(void)state;
	assert_string_equal(message_enum_code(&amparo__v1__entry_kind__descriptor,
					      PB(ENTRY_KIND, RECALL_ANSWER)),
			    "recall-answer");
	assert_string_equal(message_enum_code(&amparo__v1__tlp__descriptor, PB(TLP, AMBER_STRICT)),
			    "amber-strict");
	check_codes(&amparo__v1__entry_kind__descriptor);
	check_codes(&amparo__v1__referral_state__descriptor);
	check_codes(&amparo__v1__refusal_reason__descriptor);
	check_codes(&amparo__v1__api_error_code__descriptor);
	check_codes(&amparo__v1__bye_code__descriptor);
	check_codes(&amparo__v1__sex__descriptor);
	assert_null(message_enum_code(&amparo__v1__tlp__descriptor, 99));
}

/* The same bytes come of a message and of its encoding in its place, an empty one too. */
static void encoded_before(void **state)
{
	struct pb_item whole = PB_ITEM_INIT, empty = PB_ITEM_INIT;
	struct pb_item *items[] = {&whole, &empty, &whole};
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_batch batch = PB_BATCH_INIT;
	CLEANUP(buf_fini) struct buf expected = {0}, got = {0}, item = {0};
	struct message_encoded before, nothing = message_encoded(view_of(NULL, 0));

	(void)state;
	whole.has_index = whole.has_body = 1;
	whole.index = 300;
	whole.body = message_borrow(view_str("body"));
	batch.has_from_size = 1;
	batch.items = items;
	batch.n_items = ARRAY_LEN(items);
	frame.batch = &batch;
	assert_int_equal(message_encode(&frame, &expected), ERR_OK);
	assert_int_equal(message_encode(&whole, &item), ERR_OK);
	before = message_encoded(buf_view(&item));
	items[0] = (struct pb_item *)(void *)&before;
	items[1] = (struct pb_item *)(void *)&nothing;
	assert_int_equal(message_size(&frame), expected.n);
	assert_int_equal(message_encode(&frame, &got), ERR_OK);
	assert_true(view_eq(buf_view(&got), buf_view(&expected)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(bytes_are_borrowed),
		cmocka_unit_test(lenient_reads_a_newer_entry),
		cmocka_unit_test(mutants_of_entry),
		cmocka_unit_test(mutants_of_receipt),
		cmocka_unit_test(mutants_of_hello),
		cmocka_unit_test(mutants_of_batch),
		cmocka_unit_test(beginnings),
		cmocka_unit_test(encode_keeps_the_limit),
		cmocka_unit_test(encoded_before),
		cmocka_unit_test(which),
		cmocka_unit_test(enum_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
