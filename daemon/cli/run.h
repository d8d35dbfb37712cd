/**
 * @file
 * The functions of the commands; each gives the exit code and has said what went wrong. Their
 * options are checked against the table of command_table.c before.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

struct cli;

/** record ...: template and check work without a node. */
int run_record_template(struct cli *cli);
int run_record_check(struct cli *cli);
int run_record_import(struct cli *cli);
int run_record_list(struct cli *cli);
int run_record_show(struct cli *cli);

/** referral ... */
int run_referral_send(struct cli *cli);
int run_referral_list(struct cli *cli);
int run_referral_show(struct cli *cli);
int run_referral_accept(struct cli *cli);
int run_referral_decline(struct cli *cli);

/** agreement ...: check works without a node. */
int run_agreement_check(struct cli *cli);
int run_agreement_adopt(struct cli *cli);
int run_agreement_withdraw(struct cli *cli);
int run_agreement_list(struct cli *cli);

/** audit ...: EX_DATAERR when something does not verify, or differs. */
int run_audit_list(struct cli *cli);
int run_audit_verify(struct cli *cli);
int run_audit_reconcile(struct cli *cli);

/** peer ..., status */
int run_peer_list(struct cli *cli);
int run_peer_show(struct cli *cli);
int run_peer_test(struct cli *cli);
int run_status(struct cli *cli);

/** After a loss: what an operator decides. */
int run_ledger_new_epoch(struct cli *cli);
int run_peer_accept_epoch(struct cli *cli);
int run_peer_resume(struct cli *cli);
int run_clock_confirm(struct cli *cli);

#endif
