/**
 * @file
 * Deadlines of referrals that passed: one that expired before it was delivered, an answer that did
 * not come in time, this agency's own among them. Each is said once in the log.
 */
#ifndef NODE_ALARMS_H
#define NODE_ALARMS_H

#include "node/internal.h"

#define ALARM_EVERY_MS 60000
#define ALARM_LINES_MAX 100 /**< of one look; more are told as a number */

/** At start: where the last look ended. */
enum err alarms_load(struct node *n) WARN_UNUSED;

/** Look, when it is time. */
enum err alarms_tick(struct node *n, uint64_t now_ms) WARN_UNUSED;

/** Has an outgoing referral expired at the time of now, undelivered? */
bool referral_is_expired(struct node *n, const struct referral_row *r);

/** Is an answer due and its time over, whosever it is? */
bool referral_is_overdue(struct node *n, const struct referral_row *r);

#endif
