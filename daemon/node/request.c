/* The local API: who may ask what, and how answers go back. */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "node/internal.h"

#define CASEWORKERS (NODE_ROLE_CASEWORKER | NODE_ROLE_SUPERVISOR)
#define ANYONE (CASEWORKERS | NODE_ROLE_OPERATOR | NODE_ROLE_AUDITOR)

/* One row a verb: its field number in ApiRequest, who may ask, what answers. */
static const struct verb {
	uint32_t number;
	uint32_t roles;
	enum err (*take)(struct asking *a);
	const char *name;
} verbs[] = {
	{10, CASEWORKERS, request_record_import, "record import"},
	{11, CASEWORKERS, request_record_list, "record list"},
	{12, CASEWORKERS, request_record_show, "record show"},
	{13, CASEWORKERS, request_referral_send, "referral send"},
	{14, CASEWORKERS, request_referral_list, "referral list"},
	{15, CASEWORKERS, request_referral_show, "referral show"},
	{16, CASEWORKERS, request_referral_decide, "referral accept or decline"},
	{17, ANYONE, request_peer_list, "peer list"},
	{18, NODE_ROLE_OPERATOR, request_agreement_adopt, "agreement adopt"},
	{19, ANYONE, request_agreement_list, "agreement list"},
	{20, NODE_ROLE_AUDITOR, request_audit_list, "audit list"},
	{21, NODE_ROLE_AUDITOR | NODE_ROLE_OPERATOR, request_audit_verify, "audit verify"},
	{22, NODE_ROLE_AUDITOR | NODE_ROLE_OPERATOR, request_audit_reconcile, "audit reconcile"},
	{23, ANYONE, request_node_status, "status"},
	{24, ANYONE, request_peer_show, "peer show"},
	{25, NODE_ROLE_OPERATOR, request_peer_test, "peer test"},
	{26, NODE_ROLE_OPERATOR, request_ledger_new_epoch, "ledger new-epoch"},
	{27, NODE_ROLE_OPERATOR, request_peer_accept_epoch, "peer accept-epoch"},
	{28, NODE_ROLE_OPERATOR, request_peer_resume, "peer resume"},
	{29, NODE_ROLE_OPERATOR, request_agreement_withdraw, "agreement withdraw"},
	{30, NODE_ROLE_OPERATOR, request_clock_confirm, "clock confirm"},
	{40, ANYONE, request_peer_watch, "peer watch"},
};

enum err reply_row(struct node *n, uint64_t caller, uint64_t request, struct pb_api_reply *reply,
		   bool more)
{
	reply->has_id = 1;
	reply->id = request;
	reply->has_more = more;
	reply->more = more;
	return output_message(n, OUTPUT_REPLY, caller, reply);
}

enum err reply_end(struct node *n, uint64_t caller, uint64_t request)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;

	return reply_row(n, caller, request, &reply, false);
}

enum err reply_error(struct node *n, uint64_t caller, uint64_t request,
		     Amparo__V1__ApiErrorCode code, const char *format, ...)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_api_error error = PB_API_ERROR_INIT;
	char text[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error.has_code = 1;
	error.code = code;
	error.text = text;
	reply.error = &error;
	return reply_row(n, caller, request, &reply, false);
}

enum err reply_failed(struct node *n, uint64_t caller, uint64_t request, enum err e)
{
	Amparo__V1__ApiErrorCode code = PB(API_ERROR_CODE, DATA);

	if (e == ERR_STORAGE || e == ERR_NOMEM || e == ERR_CRYPTO || e == ERR_BUG || e == ERR_IO ||
	    e == ERR_DECRYPT)
		return err_trace(e); /* ours: the turn fails as a whole */
	if (err_class(e) == ERR_CLASS_AGAIN || e == ERR_STATE || e == ERR_CLOCK)
		code = PB(API_ERROR_CODE, TEMPORARY);
	return reply_error(n, caller, request, code, "%s",
			   err_words()[0] ? err_words() : err_text(e));
}

static enum err refuse_role(struct asking *a, const struct verb *v)
{
	struct append entry = {
		.kind = PB(ENTRY_KIND, REFUSED_ROLE), .caller = a->caller, .detail = v->name};
	struct appended done;
	enum err e = ERR_OK;

	log_line(LOG_WARN, "request refused: the account has no role for it uid=%u request=\"%s\"",
		 a->caller->uid, v->name);
	/* someone without any role may not make the ledger grow */
	if (!a->n->hold && a->caller->roles && a->n->room != ROOM_LAST)
		e = ledger_append(a->n, &entry, &done);
	if (e)
		return err_trace(e);
	return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, NO_PERMISSION),
			   "your account may not do this (%s): the operator gives roles in "
			   "amparod.yaml under `roles`",
			   v->name);
}

enum err request_take(struct node *n, const struct node_caller *caller, struct view request)
{
	CLEANUP(message_freep) struct pb_api_request *m = NULL;
	struct asking a = {.n = n, .caller = caller};
	uint32_t number;
	enum err e;

	err_clear();
	e = message_decode(&pb_api_request_desc, request, MESSAGE_BORROW, &m);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e || !m->has_id)
		return reply_error(n, caller->id, 0, PB(API_ERROR_CODE, USAGE),
				   "the request is not well-formed");
	a.id = m->id;
	a.m = m;
	number = message_which(m, 10);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (verbs[i].number != number)
			continue;
		if (!(caller->roles & verbs[i].roles))
			return refuse_role(&a, &verbs[i]);
		err_clear();
		return verbs[i].take(&a);
	}
	return reply_error(n, caller->id, a.id, PB(API_ERROR_CODE, USAGE),
			   "the request asks nothing, or more than one thing");
}
