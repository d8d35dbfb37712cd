/**
 * @file
 * The vault: the process that owns the database, the seal key, policy and the local socket. It
 * runs the node: what the gate relays and callers ask goes in, one node_turn() a round of the loop
 * takes it, and what the node says through its port goes out again.
 *
 * It believes nothing that the gate says. After its start it can neither make a socket nor execute
 * (seccomp). A storage error is final: it logs and exits, and the parent ends the daemon.
 *
 * Told by its set-up to make a new node (`amparod --init`), it makes the node key, the last-signed
 * file and the database, and ends.
 */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

/** Run to the end. @return the process's exit code: 0 when the parent said STOP, see sysexits.h */
int vault_main(void);

#endif
