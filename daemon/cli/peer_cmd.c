/* peer */
#include <string.h>
#include <sysexits.h>

#include "cli/json.h"
#include "cli/rows.h"
#include "cli/run.h"
#include "cli/terminal.h"

/* The table of peers, and under it the fingerprints, which are too wide for a column. */
struct peers {
	struct rows rows;
	struct table keys;
};

static int add_peer(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct peers *p = arg;
	char fingerprint[ROWS_FINGERPRINT_MAX];
	const char *cell[2];
	int code = rows_add(cli, reply, &p->rows);

	if (code || cli_is_json(cli) || !reply->peer)
		return code;
	cell[0] = reply->peer->id ? reply->peer->id : "-";
	cell[1] = reply->peer->fingerprint && *reply->peer->fingerprint
			  ? rows_fingerprint(reply->peer->fingerprint, fingerprint)
			  : "not seen yet";
	return table_row(&p->keys, cell) ? cli_fail(EX_OSERR, "out of memory") : EX_OK;
}

int run_peer_list(struct cli *cli)
{
	static const char *const head[] = {"PEER",
					   "FINGERPRINT OF ITS SEAL KEY (compare by telephone)"};
	struct pb_peer_list list = PB_PEER_LIST_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct peers peers;
	int code;

	rows_init(&peers.rows, ROWS_TABLE);
	table_init(&peers.keys, cli->out, ARRAY_LEN(head));
	request.peer_list = &list;
	code = table_row(&peers.keys, head) ? cli_fail(EX_OSERR, "out of memory")
					    : cli_call(cli, &request, add_peer, &peers);
	if (!code)
		code = rows_end(cli, &peers.rows);
	if (!code && !cli_is_json(cli) && peers.rows.n > 0) {
		(void)fputc('\n', cli->out);
		table_end(&peers.keys);
		code = cli_flush(cli);
	}
	rows_fini(&peers.rows);
	table_fini(&peers.keys);
	return code;
}

/* --- show --- */

/* A list inside the row of a card as a table under it; nothing when it is empty. */
static int print_list(struct cli *cli, const json_t *list, const struct rows_kind *kind)
{
	CLEANUP(rows_fini) struct rows rows = {.form = ROWS_TABLE};
	int code = EX_OK;

	if (json_array_size(list) == 0)
		return EX_OK;
	(void)fputc('\n', cli->out);
	for (size_t i = 0; !code && i < json_array_size(list); i++)
		code = rows_add_json(cli, &rows, kind, json_array_get(list, i));
	return code ? code : rows_end(cli, &rows);
}

static int show_peer(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	bool is_empty;
	json_t *row = rows_json(reply, &is_empty);
	int code;

	if (!row)
		return is_empty ? EX_OK : cli_fail(EX_OSERR, "out of memory");
	code = rows_add_json(cli, arg, rows_kind_of(reply), row);
	if (!code && !cli_is_json(cli))
		code = print_list(cli, json_at(row, "agreements"), &rows_kind_in_force);
	if (!code && !cli_is_json(cli))
		code = print_list(cli, json_at(row, "refusals"), &rows_kind_refusals);
	json_decref(row);
	return code;
}

int run_peer_show(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	CLEANUP(rows_fini) struct rows rows;
	struct pb_peer_show show = PB_PEER_SHOW_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	int code;

	rows_init(&rows, ROWS_CARD);
	show.peer = cli_peer(cli->in->operand, &peer);
	if (!show.peer)
		return cli_fail(EX_OSERR, "out of memory");
	request.peer_show = &show;
	code = cli_call(cli, &request, show_peer, &rows);
	return code ? code : rows_end(cli, &rows);
}

/* --- test --- */

/* Steps are shown as they come: each may take its time. */
struct test {
	struct rows rows; /* for programs */
	size_t n;
	bool is_bad;
};

static int test_step(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	const struct pb_peer_test_row *m = reply->peer_test;
	struct test *t = arg;
	CLEANUP(buf_fini) struct buf clean = {0};
	bool ok;

	if (!m)
		return rows_add(cli, reply, &t->rows);
	ok = m->has_ok && m->ok;
	t->n++;
	t->is_bad = t->is_bad || !ok;
	if (cli_is_json(cli))
		return rows_add(cli, reply, &t->rows);
	if (terminal_clean(view_str(m->name ? m->name : "-"), &clean) || buf_put_u8(&clean, 0) ||
	    terminal_clean(view_str(m->text ? m->text : ""), &clean) || buf_put_u8(&clean, 0))
		return cli_fail(EX_OSERR, "out of memory");
	(void)fprintf(cli->out, "%-6s  %-12s  %s\n", ok ? "ok" : "FAILED",
		      (const char *)buf_data(&clean),
		      (const char *)buf_data(&clean) + strlen((const char *)buf_data(&clean)) + 1);
	return cli_flush(cli);
}

int run_peer_test(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct test t = {.is_bad = false};
	struct pb_peer_test test = PB_PEER_TEST_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	int code;

	rows_init(&t.rows, ROWS_TABLE);
	test.peer = cli_peer(cli->in->operand, &peer);
	if (!test.peer)
		return cli_fail(EX_OSERR, "out of memory");
	request.peer_test = &test;
	code = cli_call(cli, &request, test_step, &t);
	rows_fini(&t.rows);
	if (!code && t.n == 0)
		code = cli_fail(EX_PROTOCOL, "the node answered without a result");
	if (!code)
		code = cli_flush(cli);
	if (!code && t.is_bad)
		code = cli_fail(EX_UNAVAILABLE, "the peer cannot be exchanged with: see the step "
						"that failed");
	return code;
}
