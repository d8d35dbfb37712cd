#include "cli/rows.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "base/agency_id.h"
#include "cli/json.h"
#include "cli/moment.h"
#include "cli/terminal.h"

#define CELL_MAX 128 /* at least ROWS_FINGERPRINT_MAX */
#define ID_DIGITS 12 /* shown of an id in a table */

json_t *rows_json(const struct pb_api_reply *reply, bool *ret_is_empty)
{
	uint32_t number = message_which(reply, REPLY_ROWS_FROM);
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(&pb_api_reply_desc, number);

	*ret_is_empty = !field;
	return field ? json_from_message(*(void *const *)((const char *)reply + field->offset))
		     : NULL;
}

/* A value as text; "" when there is none. */
static const char *value_text(const json_t *value, char *ret, size_t n)
{
	ret[0] = '\0';
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		(void)snprintf(ret, n, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return ret;
}

/* Short texts (codes) with commas between, as many as fit. */
static const char *list_text(const json_t *list, char ret[CELL_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list) && n < CELL_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		int added =
			snprintf(ret + n, CELL_MAX - n, "%s%s", i ? ", " : "", text ? text : "");

		n += added > 0 ? (size_t)added : 0;
	}
	return ret;
}

const char *rows_fingerprint(const char *hex, char ret[ROWS_FINGERPRINT_MAX])
{
	size_t n = 0;

	for (size_t i = 0; hex[i] && n + 2 < ROWS_FINGERPRINT_MAX; i++) {
		if (i > 0 && i % 4 == 0)
			ret[n++] = ' ';
		ret[n++] = hex[i];
	}
	ret[n] = '\0';
	return ret;
}

/* What stands in a column; @p ret holds it where it is not the row's own text. */
static const char *cell_text(const struct column *c, const json_t *row, enum rows_form form,
			     char ret[CELL_MAX])
{
	const json_t *value = json_at(row, c->key);
	const char *text;

	if (!value && c->other)
		value = json_at(row, c->other);
	text = value_text(value, ret, CELL_MAX);
	switch (c->cell) {
	case CELL_PLAIN:
		return text;
	case CELL_ID:
		if (form == ROWS_CARD || strlen(text) <= ID_DIGITS)
			return text;
		(void)snprintf(ret, CELL_MAX, "%.*s", ID_DIGITS, text);
		return ret;
	case CELL_AGENCY:
		return strncmp(text, AGENCY_ID_PREFIX, strlen(AGENCY_ID_PREFIX)) == 0
			       ? text + strlen(AGENCY_ID_PREFIX)
			       : text;
	case CELL_MOMENT:
		return moment_for_people(text, ret);
	case CELL_LEVEL:
		if (json_is_integer(value))
			(void)snprintf(ret, CELL_MAX, "S%" JSON_INTEGER_FORMAT,
				       json_integer_value(value));
		return ret;
	case CELL_LIST:
		return list_text(value, ret);
	case CELL_FINGERPRINT:
		return rows_fingerprint(text, ret);
	case CELL_BOOL:
		if (json_is_true(value))
			return c->yes ? c->yes : "yes";
		return json_is_false(value) ? (c->no ? c->no : "no") : "";
	}
	return text;
}

static int fail_memory(void)
{
	return cli_fail(EX_OSERR, "out of memory");
}

int rows_print_json(struct cli *cli, const json_t *object)
{
	if (json_dumpf(object, cli->out, JSON_COMPACT) != 0 || fputc('\n', cli->out) == EOF)
		return cli_fail(EX_IOERR, "standard output cannot be written");
	return EX_OK;
}

static int print_card(struct cli *cli, const struct rows *r, const json_t *row)
{
	size_t widest = 0;

	for (size_t i = 0; i < r->kind->n_columns; i++) {
		size_t n = strlen(r->kind->column[i].head);

		widest = n > widest ? n : widest;
	}
	if (r->n > 0)
		(void)fputc('\n', cli->out);
	for (size_t i = 0; i < r->kind->n_columns; i++) {
		CLEANUP(buf_fini) struct buf clean = {0};
		const struct column *c = &r->kind->column[i];
		char room[CELL_MAX];
		const char *text = cell_text(c, row, ROWS_CARD, room);

		if (!*text)
			continue;
		if (terminal_clean(view_str(text), &clean) || buf_put_u8(&clean, 0))
			return fail_memory();
		(void)fprintf(cli->out, "%s:%*s%s\n", c->head, (int)(widest - strlen(c->head)) + 1,
			      "", (const char *)buf_data(&clean));
	}
	return EX_OK;
}

static enum err print_head(struct cli *cli, struct rows *r)
{
	char head[TABLE_COLUMNS_MAX][COLUMN_HEAD_MAX];
	const char *cell[TABLE_COLUMNS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->kind->n_columns; i++) {
		const struct column *c = &r->kind->column[i];

		if (c->is_detail)
			continue;
		ASSERT(n < TABLE_COLUMNS_MAX && strlen(c->head) < COLUMN_HEAD_MAX);
		for (size_t j = 0; j <= strlen(c->head); j++)
			head[n][j] = (char)toupper((unsigned char)c->head[j]);
		cell[n] = head[n];
		n++;
	}
	table_init(&r->table, cli->out, n);
	return table_row(&r->table, cell);
}

static int print_table_row(struct cli *cli, struct rows *r, const json_t *row)
{
	char room[TABLE_COLUMNS_MAX][CELL_MAX];
	const char *cell[TABLE_COLUMNS_MAX];
	size_t n = 0;

	if (r->n == 0 && print_head(cli, r))
		return fail_memory();
	for (size_t i = 0; i < r->kind->n_columns; i++) {
		const struct column *c = &r->kind->column[i];

		if (c->is_detail)
			continue;
		cell[n] = cell_text(c, row, ROWS_TABLE, room[n]);
		if (!*cell[n])
			cell[n] = c->absent ? c->absent : "-";
		n++;
	}
	return table_row(&r->table, cell) ? fail_memory() : EX_OK;
}

void rows_init(struct rows *r, enum rows_form form)
{
	*r = (struct rows){.form = form};
}

void rows_fini(struct rows *r)
{
	if (r)
		table_fini(&r->table);
}

int rows_add_json(struct cli *cli, struct rows *r, const struct rows_kind *kind, const json_t *row)
{
	int code;

	if (!r->kind)
		r->kind = kind;
	if (!kind || r->kind != kind)
		return cli_fail(EX_PROTOCOL, "the node answered something else than was asked");
	if (cli_is_json(cli))
		code = rows_print_json(cli, row);
	else if (r->form == ROWS_CARD)
		code = print_card(cli, r, row);
	else
		code = print_table_row(cli, r, row);
	r->n++;
	return code;
}

int rows_add(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	bool is_empty;
	json_t *row = rows_json(reply, &is_empty);
	int code;

	/* The last reply of a list may be empty; another has one row, and just one. */
	if (is_empty && reply->has_more && reply->more)
		return cli_fail(EX_PROTOCOL, "the node answered something else than was asked");
	if (!row)
		return is_empty ? EX_OK : fail_memory();
	code = rows_add_json(cli, arg, rows_kind_of(reply), row);
	json_decref(row);
	return code;
}

int rows_end(struct cli *cli, struct rows *r)
{
	if (r->kind && r->form == ROWS_TABLE && !cli_is_json(cli))
		table_end(&r->table);
	if (r->n == 0 && r->form == ROWS_CARD)
		return cli_fail(EX_PROTOCOL, "the node answered without a result");
	if (r->n == 0 && !cli_is_json(cli))
		(void)fputs("none\n", cli->out);
	return cli_flush(cli);
}

/* What came before a failure is shown all the same. */
static int end_call(struct cli *cli, struct rows *r, int code)
{
	if (code && r->n > 0)
		(void)rows_end(cli, r);
	return code ? code : rows_end(cli, r);
}

int rows_call(struct cli *cli, struct pb_api_request *request, enum rows_form form)
{
	CLEANUP(rows_fini) struct rows rows;

	rows_init(&rows, form);
	return end_call(cli, &rows, cli_call(cli, request, rows_add, &rows));
}

struct pieces {
	struct rows rows;
	struct pb_list_next next;
	bool goes_on;
};

static int add_piece(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct pieces *p = arg;

	if (reply->next) {
		p->next = *reply->next;
		p->goes_on = true;
	}
	return rows_add(cli, reply, &p->rows);
}

int rows_list(struct cli *cli, struct pb_api_request *request, struct pb_list_page *page,
	      uint64_t limit)
{
	struct pieces p = {.goes_on = true};
	int code = EX_OK;

	rows_init(&p.rows, ROWS_TABLE);
	page->has_limit = limit > 0;
	while (!code && p.goes_on && (limit == 0 || p.rows.n < limit)) {
		p.goes_on = false;
		page->limit = limit > 0 ? limit - p.rows.n : 0;
		code = cli_call(cli, request, add_piece, &p);
		page->after = &p.next;
	}
	code = end_call(cli, &p.rows, code);
	rows_fini(&p.rows);
	page->after = NULL;
	return code;
}
