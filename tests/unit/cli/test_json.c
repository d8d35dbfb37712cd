#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/json.h"
#include "wire/message.h"

static void expect(const void *message, const char *text)
{
	json_t *o = json_from_message(message);
	CLEANUP(freep) char *got = NULL;

	assert_non_null(o);
	got = json_dumps(o, JSON_COMPACT);
	assert_non_null(got);
	assert_string_equal(got, text);
	json_decref(o);
}

static void every_kind_of_value(void **state)
{
	struct pb_audit_row row = PB_AUDIT_ROW_INIT;
	struct pb_local_part local = PB_LOCAL_PART_INIT;
	char reason[] = "\xc4\x8c\"\\";
	(void)state;

	expect(&row, "{}");
	row.has_id = true;
	row.id = 0;
	row.has_time_us = true;
	row.time_us = UINT64_C(1795356180000001);
	row.has_kind = true;
	row.kind = PB(ENTRY_KIND, RECALL_ANSWER);
	row.has_leaf = true;
	row.leaf = message_borrow(view_of("\x00\xfe", 2));
	local.reason = reason;
	local.has_uid = true;
	local.uid = UINT32_MAX;
	row.local = &local;
	expect(&row,
	       "{\"id\":0,\"time\":\"2026-11-22T14:03:00.000001Z\",\"kind\":\"recall-answer\","
	       "\"leaf\":\"00fe\",\"local\":{\"uid\":4294967295,"
	       "\"reason\":\"\xc4\x8c\\\"\\\\\"}}");
}

static void lists_are_always_there(void **state)
{
	struct pb_referral_content content = PB_REFERRAL_CONTENT_INIT;
	struct pb_status_record one = PB_STATUS_RECORD_INIT, two = PB_STATUS_RECORD_INIT;
	struct pb_status_record *list[] = {&one, &two};
	struct pb_handling handling = PB_HANDLING_INIT;
	Amparo__V1__Restriction restrictions[] = {PB(RESTRICTION, H1_NOT_IN_COURT),
						  PB(RESTRICTION, H3_OTHER)};
	(void)state;

	expect(&content, "{\"history\":[]}");
	two.has_opened = true;
	content.history = list;
	content.n_history = 2;
	expect(&content, "{\"history\":[{},{\"opened\":false}]}");
	handling.restrictions = restrictions;
	handling.n_restrictions = 2;
	expect(&handling, "{\"restrictions\":[\"h1-not-in-court\",\"h3-other\"]}");
}

/* Every field of every row has a value that JSON can hold, whatever is set. */
static void every_row_of_the_api(void **state)
{
	(void)state;

	for (unsigned int i = 0; i < pb_api_reply_desc.n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &pb_api_reply_desc.fields[i];
		const ProtobufCMessageDescriptor *desc = field->descriptor;
		CLEANUP(freep) void *message = NULL;
		json_t *o;

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		message = malloc(desc->sizeof_message);
		assert_non_null(message);
		protobuf_c_message_init(desc, message);
		for (unsigned int j = 0; j < desc->n_fields; j++) {
			const ProtobufCFieldDescriptor *f = &desc->fields[j];

			if (f->type != PROTOBUF_C_TYPE_STRING &&
			    f->type != PROTOBUF_C_TYPE_MESSAGE &&
			    f->label == PROTOBUF_C_LABEL_OPTIONAL)
				*(protobuf_c_boolean *)((char *)message + f->quantifier_offset) = 1;
		}
		o = json_from_message(message);
		assert_non_null(o);
		json_decref(o);
	}
}

/* Both end in _us, one is a time. */
static void counts_are_no_times(void **state)
{
	struct pb_status_row row = PB_STATUS_ROW_INIT;
	(void)state;

	row.has_started_us = true;
	row.has_n_awaits_us = true;
	row.n_awaits_us = 3;
	expect(&row, "{\"started\":\"1970-01-01T00:00:00.000000Z\",\"n_awaits_us\":3}");
}

/* The one number that may be below 0. */
static void a_clock_that_is_behind(void **state)
{
	struct pb_peer_detail row = PB_PEER_DETAIL_INIT;
	(void)state;

	row.has_clock_skew_s = true;
	row.clock_skew_s = -90;
	expect(&row, "{\"refusals\":[],\"clock_skew_s\":-90,\"agreements\":[]}");
}

static void text_that_is_no_text(void **state)
{
	struct pb_record_row row = PB_RECORD_ROW_INIT;
	char text[] = "\xff";
	(void)state;

	row.local_reference = text;
	assert_null(json_from_message(&row));
}

static void looking_up(void **state)
{
	json_t *o = json_loads("{\"a\":{\"b\":{\"c\":1}},\"d\":2}", 0, NULL);
	(void)state;

	assert_int_equal(json_integer_value(json_at(o, "a.b.c")), 1);
	assert_int_equal(json_integer_value(json_at(o, "d")), 2);
	assert_null(json_at(o, "a.x.c"));
	assert_null(json_at(o, "d.e"));
	assert_null(json_at(NULL, "a"));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_value),
		cmocka_unit_test(lists_are_always_there),
		cmocka_unit_test(every_row_of_the_api),
		cmocka_unit_test(text_that_is_no_text),
		cmocka_unit_test(looking_up),
		cmocka_unit_test(counts_are_no_times),
		cmocka_unit_test(a_clock_that_is_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
