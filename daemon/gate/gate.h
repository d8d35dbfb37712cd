/**
 * @file
 * The gate: the process that faces the network. Listeners, dialling, TLS, frame lengths. It holds
 * no database and no seal key and parses no record: a frame goes to the vault as bytes, with the
 * number of its session and under a byte credit.
 *
 * It is started by the parent with PROCESS_FD_PARENT and PROCESS_FD_SIBLING (the vault), gets a
 * GateSetup, and from then on can neither open a file nor execute (seccomp).
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

/** Run to the end. @return the process's exit code: 0 when the parent said STOP, see sysexits.h */
int gate_main(void);

#endif
