/**
 * @file
 * Split views: an agency that shows one ledger here and another one elsewhere. Each Hello tells the
 * newest checkpoints held of third agencies. One that is held here at the same size is compared at
 * once; another one is *noted*, and its agency asked in Hello to prove it.
 *
 *   told in Hello ----> noted --- its agency's batch proves it ---> settled
 *        |               |  \---- its ledger has another root there: INCIDENT, settled
 *        | another root  |
 *        | at a size     +------- not proven in UNPROVEN_SESSIONS sessions: alarm; is asked on
 *        v held or noted
 *     INCIDENT
 *
 * Only what the agency's own pinned key signed is noted, of its present epoch. What one peer tells
 * can displace only what the same one told of the same agency: the greatest size gives way, since
 * the small ones can be proven first. Asked are those that were asked least, of these the greatest:
 * its proof covers most, and one that cannot be proven yet keeps no other from being asked.
 * Source: PROTOCOL.md 5.2, 6.1, 9.
 */
#ifndef NODE_SPLIT_H
#define NODE_SPLIT_H

#include "node/internal.h"

#define NOTED_PAIR_MAX 4	     /**< unproven, of one agency by one teller */
#define NOTED_TELLER_MAX 256	     /**< of all agencies by one teller */
#define UNPROVEN_SESSIONS 8	     /**< asked in so many: alarm */
#define UNPROVEN_MS (10 * 60 * 1000) /**< so long in one session: likewise */

/** Newest checkpoints held of agencies that share an agreement with us and @p to, for our Hello. */
size_t split_tell(struct node *n, const struct peer *to, struct view ret[HELLO_SEEN_MAX]);

/** What a verified Hello of @p teller says of others. */
enum err split_hear(struct node *n, struct peer *teller, const struct pb_hello *m) WARN_UNUSED;

/** Choose what the session's peer shall prove, for our Hello to it; kept in s->asked. */
enum err split_ask(struct node *n, struct session *s, uint64_t ret_size[HELLO_PROVE_MAX],
		   size_t *ret_n) WARN_UNUSED;

/** Both Hellos are through: it was asked. Counts once a session, and alarms. */
enum err split_asked(struct node *n, struct session *s) WARN_UNUSED;

/** Long unanswered in this session: alarm. */
enum err split_tick(struct node *n, struct session *s, uint64_t now_ms) WARN_UNUSED;

/**
 * Hold a verified batch against what is noted of its sender, before anything of it is taken.
 *
 * After a fault or an incident the session is closing.
 */
enum err split_judge(struct node *n, struct session *s, const struct pb_batch *m,
		     const struct batch *b) WARN_UNUSED;

/** Count anew what is noted of @p p and not settled; @p ret_alarmed of that, may be NULL. */
enum err split_count(struct node *n, struct peer *p, uint64_t *ret_alarmed) WARN_UNUSED;

#endif
