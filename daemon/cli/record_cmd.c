#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "cli/file.h"
#include "cli/id.h"
#include "cli/record_view.h"
#include "cli/rows.h"
#include "cli/run.h"
#include "record/json.h"
#include "record/slice.h"

#define JSON_BYTES_MAX (1024 * 1024) /* what record_from_json() takes */

int run_record_template(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf text = {0};
	enum record_type type;
	enum err e;

	if (!record_type_from_name(cli->in->operand, &type))
		return cli_fail(EX_USAGE, "'%.60s' is no record type: VictimRecord or CaseRecord",
				cli->in->operand);
	e = record_template_json(type, &text);
	if (e)
		return cli_fail(cli_code_of(e), "%s", err_words());
	(void)fwrite(buf_data(&text), 1, text.n, cli->out);
	return cli_flush(cli);
}

/* Read and check a file: its type, its encoding, and how many parts it has to disclose. */
static int read_record(const char *file, enum record_type *ret_type, struct buf *ret,
		       size_t *ret_n_slices)
{
	CLEANUP(buf_fini) struct buf text = {0};
	CLEANUP(slice_set_fini) struct slice_set slices = {0};
	int code = file_read(file, JSON_BYTES_MAX, &text);
	enum err e;

	if (code)
		return code;
	e = record_from_json(buf_view(&text), ret_type, ret);
	if (!e)
		e = record_cut(*ret_type, buf_view(ret), &slices);
	if (e == ERR_NOMEM)
		return cli_fail(EX_OSERR, "out of memory");
	if (e)
		return cli_fail(EX_DATAERR, "%s: %s", file_title(file), err_words());
	*ret_n_slices = slices.n;
	return EX_OK;
}

int run_record_check(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf record = {0};
	const char *file = cli->in->operand;
	enum record_type type;
	size_t n_slices;
	int code = read_record(file, &type, &record, &n_slices);
	json_t *name;
	json_t *o;

	if (code)
		return code;
	if (!cli_is_json(cli)) {
		(void)fprintf(cli->out, "ok: %s, %zu parts to disclose or withhold\n",
			      record_type_name(type), n_slices);
		return cli_flush(cli);
	}
	name = json_string(file);
	o = json_pack("{s:o, s:s, s:I, s:I}", "name",
		      name ? name : json_string("?"), /* a file name that is no UTF-8 */
		      "type", record_type_name(type), "n_parts", (json_int_t)n_slices, "n_bytes",
		      (json_int_t)record.n);
	code = o ? rows_print_json(cli, o) : cli_fail(EX_OSERR, "out of memory");
	json_decref(o);
	return code ? code : cli_flush(cli);
}

int run_record_import(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf record = {0};
	struct pb_handling handling = PB_HANDLING_INIT;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	const struct option_value *tlp = cli_option(cli, OPTION_ID_TLP);
	const struct option_value *retain = cli_option(cli, OPTION_ID_RETAIN_UNTIL);
	const struct option_value *replaces = cli_option(cli, OPTION_ID_REPLACES);
	enum record_type type;
	struct id id;
	size_t n_slices;
	int code = read_record(cli->in->operand, &type, &record, &n_slices);

	if (!code && replaces->is_given)
		code = id_read_record(cli, replaces->text, &id);
	if (code)
		return code;
	import.has_type = true;
	import.type = (uint32_t)type;
	import.has_record = true;
	import.record = message_borrow(buf_view(&record));
	import.has_replaces = replaces->is_given;
	if (replaces->is_given)
		import.replaces = id_field(&id);
	import.has_retain_until_us = retain->is_given;
	import.retain_until_us = retain->number;
	if (tlp->is_given) {
		handling.has_tlp = true;
		handling.tlp = (Amparo__V1__Tlp)tlp->code;
		import.handling = &handling;
	}
	import.reason = cli_string(cli, OPTION_ID_REASON);
	request.record_import = &import;
	return rows_call(cli, &request, ROWS_CARD);
}

int run_record_list(struct cli *cli)
{
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	struct pb_list_page page = PB_LIST_PAGE_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	list.page = &page;
	request.record_list = &list;
	return rows_list(cli, &request, &page, cli_option(cli, OPTION_ID_LIMIT)->number);
}

static int show_record(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct rows *rows = arg;
	json_t *row;
	int code;

	if (!reply->record_content)
		return rows_add(cli, reply, arg);
	code = record_view_json(reply->record_content, &row);
	if (code)
		return code;
	code = rows_add_json(cli, rows, rows_kind_of(reply), row);
	if (!code && !cli_is_json(cli))
		code = record_view_print(cli, row);
	json_decref(row);
	return code;
}

int run_record_show(struct cli *cli)
{
	CLEANUP(rows_fini) struct rows rows;
	struct pb_record_show show = PB_RECORD_SHOW_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct id id;
	int code = id_read_record(cli, cli->in->operand, &id);

	rows_init(&rows, ROWS_CARD);
	if (code)
		return code;
	show.has_record_id = true;
	show.record_id = id_field(&id);
	show.reason = cli_string(cli, OPTION_ID_REASON);
	request.record_show = &show;
	code = cli_call(cli, &request, show_record, &rows);
	return code ? code : rows_end(cli, &rows);
}
