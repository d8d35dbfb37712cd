/* What the server of the local socket itself knows of replies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "vault/api_reply.h"
#include "wire/frame.h"

static bool is_last(uint64_t id, int more, bool with_row)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_audit_row row = PB_AUDIT_ROW_INIT;

	reply.has_id = id > 0;
	reply.id = id;
	reply.has_more = more >= 0;
	reply.more = more > 0;
	/* A row whose bytes look like `more`. */
	row.has_id = 1;
	row.id = 0x0110;
	if (with_row)
		reply.audit = &row;
	assert_int_equal(message_encode(&reply, &out), ERR_OK);
	return api_reply_is_last(buf_view(&out));
}

static void test_is_last(void **state)
{
	static const uint64_t id[] = {0, 1, 127, 128, 0x1010101, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < 6; i++)
		for (int with_row = 0; with_row < 2; with_row++) {
			assert_false(is_last(id[i], 1, with_row));
			assert_true(is_last(id[i], 0, with_row));
			assert_true(is_last(id[i], -1, with_row));
		}
	assert_true(api_reply_is_last(view_of(NULL, 0)));
	assert_true(api_reply_is_last(view_of("\x08\xff", 2)));
	assert_true(api_reply_is_last(view_of("\x08\x01\x10", 3)));
}

static struct pb_api_reply *error_for(struct view request)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct pb_api_reply *reply = NULL;
	struct view body;

	assert_int_equal(api_reply_error(request, PB(API_ERROR_CODE, NO_PERMISSION), "no", &out),
			 ERR_OK);
	assert_int_equal(frame_take(&out, FRAME_BODY_MAX, &body), ERR_OK);
	assert_true(api_reply_is_last(body));
	assert_int_equal(message_decode(&pb_api_reply_desc, body, MESSAGE_STRICT, &reply), ERR_OK);
	assert_int_equal(reply->error->code, 77);
	assert_string_equal(reply->error->text, "no");
	return reply;
}

static void test_error_names_its_request(void **state)
{
	CLEANUP(message_freep) struct pb_api_reply *reply = error_for(view_of("\x08\x2a", 2));

	(void)state;
	assert_int_equal(reply->id, 42);
}

static void test_error_for_garbage(void **state)
{
	CLEANUP(message_freep) struct pb_api_reply *reply = error_for(view_of("\xff", 1));

	(void)state;
	assert_false(reply->has_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_last),
		cmocka_unit_test(test_error_names_its_request),
		cmocka_unit_test(test_error_for_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
