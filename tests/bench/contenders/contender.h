/**
 * @file
 * What the clients of all brokers share: two processes, one that sends referrals of 2 KiB and one
 * that receives them, and what counts as an exchange.
 *
 *   unsigned  the broker has acknowledged it to the sender, and the receiver has it
 *   signed    Ed25519 over it, verified by the receiver; its signed receipt is back, verified
 */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bench/measure.h"
#include "bench/signing.h"

#define PAYLOAD_BYTES 2048u
#define MESSAGE_BYTES (PAYLOAD_BYTES + SIGNATURE_BYTES)
#define RECEIPT_BYTES (16u + 32u + SIGNATURE_BYTES)
#define EXCHANGES_MAX (1u << 22)

/** In memory that both processes share. */
struct shared {
	atomic_ulong n_received, n_receipts, n_acknowledged, n_ready;
	double due_s[EXCHANGES_MAX], done_s[EXCHANGES_MAX];
};

struct contender {
	struct shared *shared;
	bool is_signed;
	double warm_s, seconds, rate;
	size_t in_flight;
	const char *home_a, *home_b, *ca; /**< certificates of the sender, of the receiver */
	int port;
	struct process_list broker;
	struct signing a, b;
	pid_t receiver;
	size_t n_sent;
};

/** KEY=VALUE words; makes the keys and the shared memory. Before the second process is made. */
void contender_init(struct contender *c, int n_word, char **word);

/** Make the receiver's process, in which `receiver` is 0; it ends when the sender does. */
void contender_fork(struct contender *c);

/** A message with a sequence number: PAYLOAD_BYTES, or MESSAGE_BYTES when signed. @return its bytes
 */
size_t contender_message(struct contender *c, size_t seq, unsigned char *ret);

/** The receiver has a message; with signatures @p receipt is to be sent back. */
void contender_received(struct contender *c, const unsigned char *message, size_t n,
			unsigned char *receipt);

/** The sender has a receipt. */
void contender_receipted(struct contender *c, const unsigned char *receipt, size_t n);

/** Wait until @p n of what the clients set up stands. */
void contender_wait_ready(struct contender *c, unsigned long n);

/** Send by @p publish for the time given, wait for the rest, print the figures, end the receiver.
 */
void contender_run(struct contender *c, void (*publish)(const unsigned char *p, size_t n));

#endif
