/* ledger new-epoch, clock confirm, peer accept-epoch, peer resume: what an operator decides */
#include <sysexits.h>

#include "cli/rows.h"
#include "cli/run.h"

int run_ledger_new_epoch(struct cli *cli)
{
	struct pb_ledger_new_epoch ask = PB_LEDGER_NEW_EPOCH_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	ask.reason = cli_string(cli, OPTION_ID_REASON);
	request.ledger_new_epoch = &ask;
	return rows_call(cli, &request, ROWS_CARD);
}

int run_clock_confirm(struct cli *cli)
{
	struct pb_clock_confirm ask = PB_CLOCK_CONFIRM_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	ask.reason = cli_string(cli, OPTION_ID_REASON);
	request.clock_confirm = &ask;
	return rows_call(cli, &request, ROWS_CARD);
}

int run_peer_accept_epoch(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct pb_peer_accept_epoch ask = PB_PEER_ACCEPT_EPOCH_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	ask.peer = cli_peer(cli->in->operand, &peer);
	if (!ask.peer)
		return cli_fail(EX_OSERR, "out of memory");
	ask.reason = cli_string(cli, OPTION_ID_REASON);
	request.peer_accept_epoch = &ask;
	return rows_call(cli, &request, ROWS_CARD);
}

int run_peer_resume(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf peer = {0};
	struct pb_peer_resume ask = PB_PEER_RESUME_INIT;
	struct pb_api_request request = PB_API_REQUEST_INIT;

	ask.peer = cli_peer(cli->in->operand, &peer);
	if (!ask.peer)
		return cli_fail(EX_OSERR, "out of memory");
	ask.reason = cli_string(cli, OPTION_ID_REASON);
	request.peer_resume = &ask;
	return rows_call(cli, &request, ROWS_CARD);
}
