/**
 * @file
 * The program amparod. It starts as the parent, which reads configuration, keys, certificates and
 * revocation lists, binds the listening sockets, and executes itself twice more: as the gate and
 * as the vault. It hands each what it needs and wipes its own copy. Then it waits: it resolves host
 * names for the gate, says when both serve, passes a stop on, and ends everything when one of them
 * ends (crash-only).
 *
 *   STARTING --both ready--> SERVING --SIGTERM, SIGINT--> STOPPING --both ended--> exit 0
 *       |                       |                             |
 *       +--- a child ended, or took too long: the rest is killed, exit not 0
 */
#ifndef PARENT_PARENT_H
#define PARENT_PARENT_H

/** main() of amparod. @return the exit code, see sysexits.h */
int amparod(int argc, char **argv);

#endif
