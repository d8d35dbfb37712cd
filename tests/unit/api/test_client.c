/* The client against a node that a thread plays: what it writes is given, what it reads is kept. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/client.h"
#include "wire/frame.h"

#define WAIT_MS 10000 /* longer than any machine takes; no test waits for it */
#define SHORT_MS 30

/* One connection of the node that is played. */
struct node {
	char folder[64];
	char path[96];
	int listener;
	struct buf out;	  /* what it answers */
	bool reads_first; /* the request before it answers */
	bool stays;	  /* open until told */
	int tell[2];
	struct buf in;
	struct buf request; /* the one it read */
	pthread_t thread;
};

static void read_request(struct node *n, int fd)
{
	struct view body;
	uint8_t *p;

	while (frame_take(&n->in, FRAME_BODY_MAX, &body) == ERR_AGAIN) {
		assert_int_equal(buf_reserve(&n->in, 65536, &p), ERR_OK);
		ssize_t got = read(fd, p, 65536);

		if (got <= 0)
			return;
		buf_advance(&n->in, (size_t)got);
	}
	assert_int_equal(buf_put_view(&n->request, body), ERR_OK);
}

static void *play(void *arg)
{
	struct node *n = arg;
	int fd = accept(n->listener, NULL, NULL);
	char c;

	if (fd < 0)
		return NULL;
	if (n->reads_first)
		read_request(n, fd);
	while (n->out.n > 0) {
		/* in small pieces, so that frames arrive in parts */
		size_t some = n->out.n < 7 ? n->out.n : n->out.n / 2;
		ssize_t sent = send(fd, buf_data(&n->out), some, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		buf_consume(&n->out, (size_t)sent);
	}
	if (n->stays)
		(void)!read(n->tell[0], &c, 1);
	(void)close(fd);
	return NULL;
}

static int set_up(void **state)
{
	struct node *n = calloc(1, sizeof(*n));
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	assert_non_null(n);
	(void)snprintf(n->folder, sizeof(n->folder), "/tmp/client-test-XXXXXX");
	assert_non_null(mkdtemp(n->folder));
	(void)snprintf(n->path, sizeof(n->path), "%s/s", n->folder);
	memcpy(at.sun_path, n->path, sizeof(n->path));
	n->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(n->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(n->listener, 1), 0);
	assert_int_equal(pipe(n->tell), 0);
	n->reads_first = true;
	*state = n;
	return 0;
}

static int tear_down(void **state)
{
	struct node *n = *state;

	(void)close(n->listener);
	(void)close(n->tell[0]);
	(void)close(n->tell[1]);
	(void)unlink(n->path);
	(void)rmdir(n->folder);
	buf_fini(&n->in);
	buf_fini(&n->request);
	buf_fini(&n->out);
	free(n);
	return 0;
}

static void start(struct node *n)
{
	assert_int_equal(pthread_create(&n->thread, NULL, play, n), 0);
}

static void finish(struct node *n)
{
	if (n->stays)
		assert_int_equal(write(n->tell[1], "x", 1), 1);
	assert_int_equal(pthread_join(n->thread, NULL), 0);
}

static void put_row(struct node *n, uint64_t id, const char *reference, bool more)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_record_row row = PB_RECORD_ROW_INIT;
	char text[64];

	(void)snprintf(text, sizeof(text), "%s", reference);
	row.local_reference = text;
	reply.has_id = true;
	reply.id = id;
	reply.has_more = true;
	reply.more = more;
	reply.record = &row;
	assert_int_equal(frame_put_message(&n->out, &reply), ERR_OK);
}

static void put_error(struct node *n, bool has_id)
{
	static char text[] = "no";
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_api_error error = PB_API_ERROR_INIT;

	error.has_code = true;
	error.code = PB(API_ERROR_CODE, NO_PERMISSION);
	error.text = text;
	reply.has_id = has_id;
	reply.id = 1;
	reply.error = &error;
	assert_int_equal(frame_put_message(&n->out, &reply), ERR_OK);
}

static struct api_client *ask(struct node *n)
{
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct api_client *c = NULL;

	start(n);
	assert_int_equal(api_client_open(n->path, WAIT_MS, &c), ERR_OK);
	assert_false(api_client_is_waiting(c));
	request.record_list = &list;
	assert_int_equal(api_client_ask(c, &request, WAIT_MS), ERR_OK);
	assert_true(api_client_is_waiting(c));
	return c;
}

static void rows_come_in_order(void **state)
{
	struct node *n = *state;
	CLEANUP(message_freep) struct pb_api_request *request = NULL;
	struct pb_api_reply *reply = NULL;

	put_row(n, 1, "a", true);
	put_row(n, 1, "b", false);
	struct api_client *c = ask(n);

	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_OK);
	assert_string_equal(reply->record->local_reference, "a");
	message_free(reply);
	assert_true(api_client_is_waiting(c));
	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_OK);
	assert_string_equal(reply->record->local_reference, "b");
	message_free(reply);
	assert_false(api_client_is_waiting(c));
	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_STATE);
	api_client_free(c);
	finish(n);

	assert_int_equal(message_decode(&pb_api_request_desc, buf_view(&n->request), MESSAGE_STRICT,
					&request),
			 ERR_OK);
	assert_int_equal(request->id, 1);
	assert_non_null(request->record_list);
}

static void large_rows_come_whole(void **state)
{
	struct node *n = *state;
	struct pb_api_reply out = PB_API_REPLY_INIT;
	struct pb_record_content content = PB_RECORD_CONTENT_INIT;
	struct pb_api_reply *reply = NULL;
	CLEANUP(freep) uint8_t *bytes = calloc(1, 900000);

	content.has_record = true;
	content.record = message_borrow(view_of(bytes, 900000));
	out.has_id = true;
	out.id = 1;
	out.record_content = &content;
	assert_int_equal(frame_put_message(&n->out, &out), ERR_OK);
	struct api_client *c = ask(n);

	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_OK);
	assert_int_equal(reply->record_content->record.len, 900000);
	message_free(reply);
	api_client_free(c);
	finish(n);
}

static void one_request_at_a_time(void **state)
{
	struct node *n = *state;
	struct pb_node_status status = PB_NODE_STATUS_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	put_row(n, 1, "a", true);
	struct api_client *c = ask(n);

	request.node_status = &status;
	assert_int_equal(api_client_ask(c, &request, WAIT_MS), ERR_STATE);
	api_client_free(c);
	finish(n);
}

static void an_error_is_the_last_reply(void **state)
{
	struct node *n = *state;
	struct pb_api_reply *reply = NULL;

	put_error(n, true);
	struct api_client *c = ask(n);

	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_OK);
	assert_int_equal(reply->error->code, PB(API_ERROR_CODE, NO_PERMISSION));
	assert_false(api_client_is_waiting(c));
	message_free(reply);
	api_client_free(c);
	finish(n);
}

/* The node turns the caller away and hangs up before it reads: its words must still arrive. */
static void words_before_the_request_count(void **state)
{
	struct node *n = *state;
	struct pb_api_reply *reply = NULL;

	n->reads_first = false;
	put_error(n, false);
	struct api_client *c = ask(n);

	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_OK);
	assert_string_equal(reply->error->text, "no");
	message_free(reply);
	api_client_free(c);
	finish(n);
}

static void a_reply_to_another_request_is_refused(void **state)
{
	struct node *n = *state;
	struct pb_api_reply *reply = NULL;

	put_row(n, 2, "a", false);
	struct api_client *c = ask(n);

	assert_int_equal(api_client_next(c, WAIT_MS, &reply), ERR_FORMAT);
	assert_null(reply);
	api_client_free(c);
	finish(n);
}

static void what_is_no_reply_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum err e;
	} cases[] = {
		{"\0\0\0\0", 4, ERR_FORMAT},
		{"\0\x10\0\1", 4, ERR_LIMIT},
		{"\xff\xff\xff\xff", 4, ERR_LIMIT},
		{"\0\0\0\1\xff", 5, ERR_FORMAT},
		{"\0\0\0\3\x08\x81\x00", 7, ERR_CANONICAL},
		{"\0\0\0\2\x08", 5, ERR_CLOSED},
		{"", 0, ERR_CLOSED},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		void *node;
		struct node *n;
		struct pb_api_reply *reply = NULL;

		assert_int_equal(set_up(&node), 0);
		n = node;
		assert_int_equal(buf_put(&n->out, cases[i].bytes, cases[i].n), ERR_OK);
		struct api_client *c = ask(n);

		assert_int_equal(api_client_next(c, WAIT_MS, &reply), cases[i].e);
		api_client_free(c);
		finish(n);
		assert_int_equal(tear_down(&node), 0);
	}
}

static void silence_ends(void **state)
{
	struct node *n = *state;
	struct pb_api_reply *reply = NULL;

	n->stays = true;
	assert_int_equal(buf_put(&n->out, "\0\0", 2), ERR_OK);
	struct api_client *c = ask(n);

	assert_int_equal(api_client_next(c, SHORT_MS, &reply), ERR_AGAIN);
	api_client_free(c);
	finish(n);
}

static void sending_to_a_deaf_node_ends(void **state)
{
	struct node *n = *state;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	CLEANUP(freep) uint8_t *bytes = calloc(1, 1000000);
	struct api_client *c = NULL;

	n->reads_first = false;
	n->stays = true;
	start(n);
	assert_int_equal(api_client_open(n->path, WAIT_MS, &c), ERR_OK);
	import.has_record = true;
	import.record = message_borrow(view_of(bytes, 1000000));
	request.record_import = &import;
	assert_int_equal(api_client_ask(c, &request, SHORT_MS), ERR_AGAIN);
	api_client_free(c);
	finish(n);
}

static void too_large_a_request_is_refused(void **state)
{
	struct node *n = *state;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	CLEANUP(freep) uint8_t *bytes = calloc(1, FRAME_BODY_MAX + 1);
	struct api_client *c = NULL;

	n->reads_first = false;
	start(n);
	assert_int_equal(api_client_open(n->path, WAIT_MS, &c), ERR_OK);
	import.has_record = true;
	import.record = message_borrow(view_of(bytes, FRAME_BODY_MAX + 1));
	request.record_import = &import;
	assert_int_equal(api_client_ask(c, &request, WAIT_MS), ERR_LIMIT);
	api_client_free(c);
	finish(n);
}

static void sockets_that_do_not_answer(void **state)
{
	struct node *n = *state;
	struct api_client *c = NULL;
	char path[200];

	assert_int_equal(api_client_open("", WAIT_MS, &c), ERR_INVALID);
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(api_client_open(path, WAIT_MS, &c), ERR_INVALID);
	path[107] = '\0';
	assert_int_equal(api_client_open(path, WAIT_MS, &c), ERR_NOT_FOUND);
	/* the file is there, nobody listens */
	(void)close(n->listener);
	n->listener = -1;
	assert_int_equal(api_client_open(n->path, WAIT_MS, &c), ERR_NOT_FOUND);
	assert_null(c);
}

/* A node that accepts nobody: connections queue up, then connecting ends in time. */
static void a_full_queue_ends(void **state)
{
	struct node *n = *state;
	struct api_client *c[8] = {NULL};
	enum err e = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(c) && !e; i++)
		e = api_client_open(n->path, SHORT_MS, &c[i]);
	assert_int_equal(e, ERR_AGAIN);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		api_client_free(c[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(rows_come_in_order),
		TEST(large_rows_come_whole),
		TEST(one_request_at_a_time),
		TEST(an_error_is_the_last_reply),
		TEST(words_before_the_request_count),
		TEST(a_reply_to_another_request_is_refused),
		cmocka_unit_test(what_is_no_reply_is_refused),
		TEST(silence_ends),
		TEST(sending_to_a_deaf_node_ends),
		TEST(too_large_a_request_is_refused),
		TEST(sockets_that_do_not_answer),
		TEST(a_full_queue_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
