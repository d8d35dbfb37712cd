#include "cli/id.h"

#include <string.h>
#include <sysexits.h>

#define RECORD_ID_LENGTH 16
#define QUOTE_MAX 70

/* Even digits only: a beginning is bytes for the node, too. */
static int read_hex(const char *text, size_t n_max, struct id *ret)
{
	size_t n = strlen(text);

	if (n % 2 != 0 || n < 2 * ID_BYTES_MIN || n > 2 * n_max || hex_decode(text, ret->b, n / 2))
		return cli_fail(EX_USAGE,
				"'%.*s' is no id: give %d to %zu hexadecimal digits, an even "
				"number, as the list shows them",
				QUOTE_MAX, text, 2 * ID_BYTES_MIN, 2 * n_max);
	ret->n = n / 2;
	return EX_OK;
}

int id_read_referral(const char *text, struct id *ret)
{
	return read_hex(text, ID_BYTES_MAX, ret);
}

/* Looks through the list of records for the one that begins so. */
struct search {
	const struct id *beginning;
	struct id found;
	size_t n;
};

static int look_at_record(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct search *s = arg;
	struct view id;

	(void)cli;
	if (!reply->record)
		return EX_OK;
	id = message_bytes(reply->record->has_id, reply->record->id);
	if (id.n != RECORD_ID_LENGTH || memcmp(id.p, s->beginning->b, s->beginning->n) != 0)
		return EX_OK;
	/* Every revision may have its row. */
	if (s->n > 0 && memcmp(s->found.b, id.p, id.n) == 0)
		return EX_OK;
	memcpy(s->found.b, id.p, id.n);
	s->found.n = id.n;
	s->n++;
	return EX_OK;
}

int id_read_record(struct cli *cli, const char *text, struct id *ret)
{
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct search search = {.beginning = ret};
	int code = read_hex(text, RECORD_ID_LENGTH, ret);

	if (code || ret->n == RECORD_ID_LENGTH)
		return code;
	list.has_id_begins = true;
	list.id_begins = id_field(ret);
	request.record_list = &list;
	code = cli_call(cli, &request, look_at_record, &search);
	if (code)
		return code;
	if (search.n == 0)
		return cli_fail(EX_DATAERR, "no record's id begins with %s", text);
	if (search.n > 1)
		return cli_fail(EX_DATAERR, "several records' ids begin with %s; give more of it",
				text);
	*ret = search.found;
	return EX_OK;
}

ProtobufCBinaryData id_field(const struct id *id)
{
	return message_borrow(view_of(id->b, id->n));
}
