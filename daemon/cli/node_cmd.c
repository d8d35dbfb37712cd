/* agreement, audit, status */
#include <string.h>
#include <sysexits.h>

#include "cli/file.h"
#include "cli/json.h"
#include "cli/moment.h"
#include "cli/rows.h"
#include "cli/run.h"
#include "crypto/digest.h"
#include "policy/agreement.h"

/* Read and check an agreement's file. */
static int read_agreement(const char *file, struct buf *ret_bytes, struct agreement **ret)
{
	enum err e;
	int code = file_read(file, AGREEMENT_BYTES_MAX, ret_bytes);

	if (code)
		return code;
	e = crypto_init();
	if (!e)
		e = agreement_parse(buf_view(ret_bytes), ret);
	crypto_fini();
	if (e == ERR_CRYPTO)
		return cli_fail(EX_SOFTWARE, "%s", err_words());
	if (e == ERR_NOMEM)
		return cli_fail(EX_OSERR, "out of memory");
	if (e)
		return cli_fail(EX_DATAERR, "%s: %s", file_title(file), err_words());
	return EX_OK;
}

static json_t *agreement_json(const struct agreement *a)
{
	char digest[HEX_LEN(DIGEST_BYTES)];
	char from[MOMENT_MAX];
	char until[MOMENT_MAX];
	json_t *parties = json_array();

	hex_encode(view_digest(agreement_digest(a)), digest);
	for (size_t i = 0; i < agreement_n_parties(a); i++)
		(void)json_array_append_new(parties, json_string(agreement_party(a, i)->text));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", digest, "name", agreement_name(a),
			 "valid_from", moment_write(agreement_valid_from_us(a), from),
			 "valid_until", moment_write(agreement_valid_until_us(a), until), "parties",
			 parties);
}

static void print_agreement(FILE *out, const json_t *a)
{
	const json_t *parties = json_at(a, "parties");

	/* Its texts were checked: none holds a control character. */
	(void)fprintf(out, "ok: %s\nvalid:  %.10s to %.10s\n",
		      json_string_value(json_at(a, "name")),
		      json_string_value(json_at(a, "valid_from")),
		      json_string_value(json_at(a, "valid_until")));
	for (size_t i = 0; i < json_array_size(parties); i++)
		(void)fprintf(out, "party:  %s\n", json_string_value(json_array_get(parties, i)));
	(void)fprintf(out, "digest: %s\n", json_string_value(json_at(a, "id")));
}

int run_agreement_check(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	CLEANUP(agreement_freep) struct agreement *a = NULL;
	int code = read_agreement(cli->in->operand, &bytes, &a);
	json_t *o;

	if (code)
		return code;
	o = agreement_json(a);
	if (!o)
		return cli_fail(EX_OSERR, "out of memory");
	if (cli_is_json(cli))
		code = rows_print_json(cli, o);
	else
		print_agreement(cli->out, o);
	json_decref(o);
	return code ? code : cli_flush(cli);
}

int run_agreement_adopt(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	CLEANUP(agreement_freep) struct agreement *a = NULL;
	struct pb_agreement_adopt adopt = PB_AGREEMENT_ADOPT_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	int code = read_agreement(cli->in->operand, &bytes, &a);

	if (code)
		return code;
	adopt.has_file = true;
	adopt.file = message_borrow(buf_view(&bytes));
	request.agreement_adopt = &adopt;
	return rows_call(cli, &request, ROWS_TABLE);
}

int run_agreement_withdraw(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct pb_agreement_withdraw ask = PB_AGREEMENT_WITHDRAW_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	char *name = cli_string(cli, OPTION_ID_PEER);

	if (name) {
		ask.peer = cli_peer(name, &peer);
		if (!ask.peer)
			return cli_fail(EX_OSERR, "out of memory");
	}
	ask.agreement = cli->in->operand;
	ask.reason = cli_string(cli, OPTION_ID_REASON);
	request.agreement_withdraw = &ask;
	return rows_call(cli, &request, ROWS_TABLE);
}

/* The rows of agreements, and whether one may stand in two files that differ. */
struct agreements {
	struct rows rows;
	json_t *here;  /* peers with a digest that this agency alone adopted */
	json_t *there; /* those with one that the peer alone did */
};

static int add_agreement(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct agreements *a = arg;
	const struct pb_agreement_row *row = reply->agreement;
	json_t *peers = NULL;

	if (row && row->state && strcmp(row->state, "adopted-here") == 0)
		peers = a->here;
	if (row && row->state && strcmp(row->state, "adopted-there") == 0)
		peers = a->there;
	if (peers && row->peer && json_object_set_new(peers, row->peer, json_true()) != 0)
		return cli_fail(EX_OSERR, "out of memory");
	return rows_add(cli, reply, &a->rows);
}

static bool may_differ(const struct agreements *a)
{
	for (void *i = json_object_iter(a->here); i; i = json_object_iter_next(a->here, i)) {
		if (json_object_get(a->there, json_object_iter_key(i)))
			return true;
	}
	return false;
}

int run_agreement_list(struct cli *cli)
{
	struct pb_agreement_list list = PB_AGREEMENT_LIST_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct agreements a = {.here = json_object(), .there = json_object()};
	int code;

	rows_init(&a.rows, ROWS_TABLE);
	request.agreement_list = &list;
	code = a.here && a.there ? cli_call(cli, &request, add_agreement, &a)
				 : cli_fail(EX_OSERR, "out of memory");
	if (!code)
		code = rows_end(cli, &a.rows);
	if (!code && !cli_is_json(cli) && may_differ(&a)) {
		(void)fputs("\nOne digest adopted here, another there: if it is meant to be one "
			    "agreement, the two files differ. Compare them.\n",
			    cli->out);
		code = cli_flush(cli);
	}
	rows_fini(&a.rows);
	json_decref(a.here);
	json_decref(a.there);
	return code;
}

int run_audit_list(struct cli *cli)
{
	struct pb_audit_list list = PB_AUDIT_LIST_INIT;
	struct pb_list_page page = PB_LIST_PAGE_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	const struct option_value *from = cli_option(cli, OPTION_ID_FROM);
	const struct option_value *epoch = cli_option(cli, OPTION_ID_EPOCH);

	list.has_from_index = from->is_given;
	list.from_index = from->number;
	list.has_all_epochs = epoch->is_given && epoch->number == OPTION_ALL;
	list.all_epochs = list.has_all_epochs;
	list.has_epoch = epoch->is_given && !list.has_all_epochs;
	list.epoch = list.has_epoch ? epoch->number : 0;
	list.page = &page;
	request.audit_list = &list;
	return rows_list(cli, &request, &page, cli_option(cli, OPTION_ID_LIMIT)->number);
}

/* Results that are shown, and whether one of them is bad. */
struct results {
	struct rows rows;
	bool is_bad;
};

static int add_result(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct results *r = arg;

	/* Only what is said to hold does. */
	if (reply->verify && !(reply->verify->has_ok && reply->verify->ok))
		r->is_bad = true;
	if (reply->reconcile && !(reply->reconcile->has_ok && reply->reconcile->ok))
		r->is_bad = true;
	return rows_add(cli, reply, &r->rows);
}

static int call_for_results(struct cli *cli, struct pb_api_request *request, const char *bad)
{
	struct results results = {.is_bad = false};
	int code;

	rows_init(&results.rows, ROWS_CARD);
	code = cli_call(cli, request, add_result, &results);
	if (!code)
		code = rows_end(cli, &results.rows);
	if (!code && results.is_bad)
		code = cli_fail(EX_DATAERR, "%s", bad);
	rows_fini(&results.rows);
	return code;
}

int run_audit_verify(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct pb_audit_verify verify = PB_AUDIT_VERIFY_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	verify.peer = cli_peer(cli_string(cli, OPTION_ID_PEER), &peer);
	/* Without its name it would be another ledger that is verified. */
	if (cli_has(cli, OPTION_ID_PEER) && !verify.peer)
		return cli_fail(EX_OSERR, "out of memory");
	request.audit_verify = &verify;
	return call_for_results(cli, &request,
				"the ledger does not verify: tell your operator at once");
}

int run_audit_reconcile(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct pb_audit_reconcile reconcile = PB_AUDIT_RECONCILE_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	reconcile.peer = cli_peer(cli->in->operand, &peer);
	if (!reconcile.peer)
		return cli_fail(EX_OSERR, "out of memory");
	request.audit_reconcile = &reconcile;
	return call_for_results(cli, &request,
				"the two ledgers differ: tell your operator at once");
}

int run_status(struct cli *cli)
{
	struct pb_node_status status = PB_NODE_STATUS_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	request.node_status = &status;
	return rows_call(cli, &request, ROWS_CARD);
}
