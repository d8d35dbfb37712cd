#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "cli/id.h"
#include "cli/json.h"
#include "cli/record_view.h"
#include "cli/rows.h"
#include "cli/run.h"

#define US_PER_S 1000000
#define S_PER_DAY 86400

/* The messages of one ReferralSend, which point to each other. */
struct send {
	struct pb_referral terms;
	struct pb_consent consent;
	struct pb_best_interest_override best_interest;
	struct pb_handling handling;
	struct pb_referral_send send;
	struct pb_api_request request;
	struct id record;
};

/* Whether a date lies ahead everywhere: where the day begins before UTC's, it may be tomorrow's. */
static bool is_ahead(const struct option_value *date)
{
	time_t now = time(NULL);

	return date->is_given && now > 0 && date->number / US_PER_S > (uint64_t)now + S_PER_DAY;
}

/* What the schema cannot say: options that need each other. */
static int check_send(const struct cli *cli)
{
	int basis = cli_option(cli, OPTION_ID_BASIS)->code;

	if (basis == PB(LEGAL_BASIS, TREATY) && !cli_has(cli, OPTION_ID_BASIS_NAME))
		return cli_fail(EX_USAGE, "--basis treaty wants --basis-name: which treaty");
	if (basis == PB(LEGAL_BASIS, CONSENT) && !cli_has(cli, OPTION_ID_CONSENT))
		return cli_fail(EX_USAGE, "--basis consent wants --consent: who gave it");
	if (!cli_has(cli, OPTION_ID_CONSENT) &&
	    (cli_has(cli, OPTION_ID_CONSENT_SCOPE) || cli_has(cli, OPTION_ID_CONSENT_DATE)))
		return cli_fail(EX_USAGE, "--consent-scope and --consent-date want --consent");
	if (is_ahead(cli_option(cli, OPTION_ID_CONSENT_DATE)))
		return cli_fail(EX_USAGE, "--consent-date is still to come: when was it given?");
	return EX_OK;
}

static void fill_consent(const struct cli *cli, struct send *s)
{
	const struct option_value *giver = cli_option(cli, OPTION_ID_CONSENT);
	const struct option_value *date = cli_option(cli, OPTION_ID_CONSENT_DATE);

	if (giver->is_given) {
		s->consent.has_given_by = true;
		s->consent.given_by = (Amparo__V1__ConsentGiver)giver->code;
		s->consent.scope = cli_string(cli, OPTION_ID_CONSENT_SCOPE);
		s->consent.has_given_at_us = date->is_given;
		s->consent.given_at_us = date->number;
		s->terms.consent = &s->consent;
	}
	if (cli_has(cli, OPTION_ID_BEST_INTEREST)) {
		s->best_interest.reason = cli_string(cli, OPTION_ID_BEST_INTEREST);
		s->terms.best_interest = &s->best_interest;
	}
}

static void fill_times(const struct cli *cli, struct pb_referral *terms)
{
	const struct option_value *reply_by = cli_option(cli, OPTION_ID_REPLY_BY);
	const struct option_value *expires = cli_option(cli, OPTION_ID_EXPIRES);
	const struct option_value *retain = cli_option(cli, OPTION_ID_RETAIN_UNTIL);

	terms->has_reply_by_us = reply_by->is_given;
	terms->reply_by_us = reply_by->number;
	terms->has_expires_us = expires->is_given;
	terms->expires_us = expires->number;
	terms->has_retain_until_us = retain->is_given;
	terms->retain_until_us = retain->number;
}

static void fill_terms(const struct cli *cli, struct send *s)
{
	const struct option_value *type = cli_option(cli, OPTION_ID_TYPE);
	const struct option_value *urgency = cli_option(cli, OPTION_ID_URGENCY);
	const struct option_value *tlp = cli_option(cli, OPTION_ID_HANDLING);
	struct pb_referral *t = &s->terms;

	t->from_desk = cli_string(cli, OPTION_ID_FROM_DESK);
	t->to_desk = cli_string(cli, OPTION_ID_DESK);
	t->has_type = true;
	t->type = type->is_given ? (Amparo__V1__ReferralType)type->code
				 : PB(REFERRAL_TYPE, INFORMATION_ON_CHILD);
	t->has_urgency = true;
	t->urgency = urgency->is_given ? (Amparo__V1__Urgency)urgency->code : PB(URGENCY, ROUTINE);
	t->has_responsibility = true;
	t->responsibility = cli_has(cli, OPTION_ID_TRANSFER) ? PB(RESPONSIBILITY, TRANSFER)
							     : PB(RESPONSIBILITY, REFERRAL);
	t->has_basis = true;
	t->basis = (Amparo__V1__LegalBasis)cli_option(cli, OPTION_ID_BASIS)->code;
	t->basis_name = cli_string(cli, OPTION_ID_BASIS_NAME);
	t->message = cli_string(cli, OPTION_ID_MESSAGE);
	if (tlp->is_given) {
		s->handling.has_tlp = true;
		s->handling.tlp = (Amparo__V1__Tlp)tlp->code;
		t->handling = &s->handling;
	}
	fill_times(cli, t);
	fill_consent(cli, s);
}

/* Rows of a preview, counted. */
struct preview {
	struct rows rows;
	size_t n_request, n_accepted, n_withheld;
};

static int add_preview(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct preview *p = arg;

	if (reply->preview && !reply->preview->has_released_at)
		p->n_withheld++;
	else if (reply->preview && reply->preview->released_at == PB(STAGE, REQUEST))
		p->n_request++;
	else if (reply->preview)
		p->n_accepted++;
	return rows_add(cli, reply, &p->rows);
}

static int call_for_preview(struct cli *cli, struct pb_api_request *request)
{
	struct preview preview = {.n_request = 0};
	int code;

	rows_init(&preview.rows, ROWS_TABLE);
	code = cli_call(cli, request, add_preview, &preview);
	if (!code)
		code = rows_end(cli, &preview.rows);
	rows_fini(&preview.rows);
	if (code || cli_is_json(cli))
		return code;
	(void)fprintf(cli->out,
		      "\n%zu released at the request, %zu more when accepted, %zu withheld; "
		      "nothing was sent\n",
		      preview.n_request, preview.n_accepted, preview.n_withheld);
	return cli_flush(cli);
}

int run_referral_send(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct send s = {
		.terms = PB_REFERRAL_INIT,
		.consent = PB_CONSENT_INIT,
		.best_interest = PB_BEST_INTEREST_OVERRIDE_INIT,
		.handling = PB_HANDLING_INIT,
		.send = PB_REFERRAL_SEND_INIT,
		.request = PB_API_REQUEST_INIT,
	};
	int code = check_send(cli);

	if (!code)
		code = id_read_record(cli, cli_option(cli, OPTION_ID_RECORD)->text, &s.record);
	if (code)
		return code;
	fill_terms(cli, &s);
	s.send.has_record_id = true;
	s.send.record_id = id_field(&s.record);
	s.send.peer = cli_peer(cli_string(cli, OPTION_ID_TO), &peer);
	if (!s.send.peer)
		return cli_fail(EX_OSERR, "out of memory");
	s.send.has_purpose = true;
	s.send.purpose = (Amparo__V1__Purpose)cli_option(cli, OPTION_ID_PURPOSE)->code;
	s.send.terms = &s.terms;
	s.send.has_preview = true;
	s.send.preview = cli_has(cli, OPTION_ID_PREVIEW);
	s.send.reason = cli_string(cli, OPTION_ID_REASON);
	s.request.referral_send = &s.send;
	return s.send.preview ? call_for_preview(cli, &s.request)
			      : rows_call(cli, &s.request, ROWS_CARD);
}

int run_referral_list(struct cli *cli)
{
	struct pb_referral_list list = PB_REFERRAL_LIST_INIT;
	struct pb_list_page page = PB_LIST_PAGE_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	const struct option_value *state = cli_option(cli, OPTION_ID_STATE);
	bool is_in = cli_has(cli, OPTION_ID_IN);
	bool is_out = cli_has(cli, OPTION_ID_OUT);

	/* Both together are what neither says. */
	list.has_side = is_in != is_out;
	list.side = is_in ? PB(LIST_SIDE, IN) : PB(LIST_SIDE, OUT);
	list.has_state = state->is_given;
	if (state->is_given)
		list.state = (Amparo__V1__ReferralState)state->code;
	list.page = &page;
	request.referral_list = &list;
	return rows_list(cli, &request, &page, cli_option(cli, OPTION_ID_LIMIT)->number);
}

/* Where it stands, what it says, what became of it, and the record. */
static int print_content(struct cli *cli, const json_t *o)
{
	const json_t *terms = json_at(o, "terms");
	const json_t *history = json_at(o, "history");
	const json_t *record = json_at(o, "record");
	CLEANUP(rows_fini) struct rows card = {.form = ROWS_CARD};
	CLEANUP(rows_fini) struct rows table = {.form = ROWS_TABLE};
	CLEANUP(rows_fini) struct rows content = {.form = ROWS_CARD};
	int code = EX_OK;

	if (terms) {
		(void)fputc('\n', cli->out);
		code = rows_add_json(cli, &card, &rows_kind_terms, terms);
	}
	if (json_array_size(history) > 0)
		(void)fputc('\n', cli->out);
	for (size_t i = 0; !code && i < json_array_size(history); i++)
		code = rows_add_json(cli, &table, &rows_kind_history, json_array_get(history, i));
	if (!code && table.n > 0)
		code = rows_end(cli, &table);
	if (code || !record)
		return code;
	(void)fputc('\n', cli->out);
	code = rows_add_json(cli, &content, &rows_kind_content, record);
	return code ? code : record_view_print(cli, record);
}

/* Terms, history and record as JSON. */
static int content_json(const struct pb_referral_content *c, json_t **ret)
{
	json_t *o = json_from_message(c);
	json_t *record;
	int code = o ? EX_OK : cli_fail(EX_OSERR, "out of memory");

	if (!code && c->record) {
		code = record_view_json(c->record, &record);
		if (!code && json_object_set_new(o, "record", record))
			code = cli_fail(EX_OSERR, "out of memory");
	}
	if (code) {
		json_decref(o);
		return code;
	}
	*ret = o;
	return EX_OK;
}

/* The node says first where the referral stands, then what it holds. Programs get one object. */
struct show {
	struct rows card;
	json_t *row; /* where it stands */
};

static int show_row(struct cli *cli, struct show *s, const struct pb_api_reply *reply)
{
	bool is_empty;
	json_t *row = rows_json(reply, &is_empty);

	if (!row)
		return is_empty ? EX_OK : cli_fail(EX_OSERR, "out of memory");
	json_decref(s->row);
	s->row = row;
	return cli_is_json(cli) ? EX_OK : rows_add_json(cli, &s->card, rows_kind_of(reply), row);
}

static int show_reply(struct cli *cli, const struct pb_api_reply *reply, void *arg)
{
	struct show *s = arg;
	json_t *o;
	int code;

	if (!reply->referral_content)
		return show_row(cli, s, reply);
	code = content_json(reply->referral_content, &o);
	if (code)
		return code;
	if (!cli_is_json(cli))
		code = print_content(cli, o);
	else if (s->row && json_object_update(s->row, o) == 0)
		code = rows_print_json(cli, s->row);
	else
		code = cli_fail(EX_PROTOCOL, "the node did not say where the referral stands");
	json_decref(o);
	return code;
}

int run_referral_show(struct cli *cli)
{
	struct show state = {.card = {.form = ROWS_CARD}};
	struct pb_referral_show show = PB_REFERRAL_SHOW_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct id id;
	int code;

	if (cli_has(cli, OPTION_ID_CONTENT) && !cli_has(cli, OPTION_ID_REASON))
		return cli_fail(EX_USAGE, "--content wants --reason: why you look");
	code = id_read_referral(cli->in->operand, &id);
	if (code)
		return code;
	show.has_id = true;
	show.id = id_field(&id);
	show.has_content = true;
	show.content = cli_has(cli, OPTION_ID_CONTENT);
	show.reason = cli_string(cli, OPTION_ID_REASON);
	request.referral_show = &show;
	code = cli_call(cli, &request, show_reply, &state);
	json_decref(state.row);
	rows_fini(&state.card);
	return code ? code : cli_flush(cli);
}

static int decide(struct cli *cli, Amparo__V1__ReferralState state)
{
	struct pb_referral_decide decide = PB_REFERRAL_DECIDE_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct id id;
	int code = id_read_referral(cli->in->operand, &id);

	if (code)
		return code;
	decide.has_id = true;
	decide.id = id_field(&id);
	decide.has_state = true;
	decide.state = state;
	decide.reason = cli_string(cli, OPTION_ID_REASON);
	request.referral_decide = &decide;
	return rows_call(cli, &request, ROWS_CARD);
}

int run_referral_accept(struct cli *cli)
{
	return decide(cli, PB(REFERRAL_STATE, ACCEPTED));
}

int run_referral_decline(struct cli *cli)
{
	return decide(cli, PB(REFERRAL_STATE, DECLINED));
}
