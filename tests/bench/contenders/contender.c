#include "bench/contenders/contender.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_S 30.0

static bool option_text(const char *word, const char *key, const char **ret)
{
	size_t n = strlen(key);

	if (strncmp(word, key, n) != 0 || word[n] != '=')
		return false;
	*ret = word + n + 1;
	return true;
}

void contender_init(struct contender *c, int n_word, char **word)
{
	size_t is_signed = 0, port = 0;

	c->in_flight = 512;
	for (int i = 1; i < n_word; i++)
		if (!option_size(word[i], "signed", &is_signed) &&
		    !option_size(word[i], "port", &port) &&
		    !option_size(word[i], "in-flight", &c->in_flight) &&
		    !option_number(word[i], "warm", &c->warm_s) &&
		    !option_number(word[i], "rate", &c->rate) &&
		    !option_number(word[i], "seconds", &c->seconds) &&
		    !option_processes(word[i], "pids", &c->broker) &&
		    !option_text(word[i], "a", &c->home_a) &&
		    !option_text(word[i], "b", &c->home_b) && !option_text(word[i], "ca", &c->ca))
			fail("unknown option %s", word[i]);
	if (!c->home_a || !c->home_b || !c->ca || !port || c->seconds <= 0)
		fail("a, b, ca, port and seconds are needed");
	c->is_signed = is_signed != 0;
	c->port = (int)port;
	c->shared = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->shared == MAP_FAILED)
		fail("no memory");
	signing_init(&c->a);
	signing_init(&c->b);
}

void contender_fork(struct contender *c)
{
	c->receiver = fork();
	if (c->receiver < 0 || (!c->receiver && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0))
		fail("no process");
}

size_t contender_message(struct contender *c, size_t seq, unsigned char *ret)
{
	memset(ret, (int)(seq & 0xff), PAYLOAD_BYTES);
	memcpy(ret, &seq, sizeof(seq));
	if (!c->is_signed)
		return PAYLOAD_BYTES;
	signing_sign(&c->a, ret, PAYLOAD_BYTES, ret + PAYLOAD_BYTES);
	return MESSAGE_BYTES;
}

static void done(struct contender *c, const unsigned char *message)
{
	size_t seq;

	memcpy(&seq, message, sizeof(seq));
	if (seq < EXCHANGES_MAX)
		c->shared->done_s[seq] = mono_s();
}

void contender_received(struct contender *c, const unsigned char *message, size_t n,
			unsigned char *receipt)
{
	unsigned digest_bytes = 32;

	if (n != (c->is_signed ? MESSAGE_BYTES : PAYLOAD_BYTES))
		fail("a message of %zu bytes", n);
	if (!c->is_signed) {
		done(c, message);
	} else {
		signing_verify(&c->a, message, PAYLOAD_BYTES, message + PAYLOAD_BYTES);
		memset(receipt, 0, RECEIPT_BYTES);
		memcpy(receipt, message, 8);
		if (EVP_Digest(message, PAYLOAD_BYTES, receipt + 16, &digest_bytes, EVP_sha256(),
			       NULL) != 1)
			fail("SHA-256 fails");
		signing_sign(&c->b, receipt, 48, receipt + 48);
	}
	c->shared->n_received++;
}

void contender_receipted(struct contender *c, const unsigned char *receipt, size_t n)
{
	if (n != RECEIPT_BYTES)
		fail("a receipt of %zu bytes", n);
	signing_verify(&c->b, receipt, 48, receipt + 48);
	done(c, receipt);
	c->shared->n_receipts++;
}

static void nap(double s)
{
	const struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

	if (s > 0)
		(void)nanosleep(&t, NULL);
}

void contender_wait_ready(struct contender *c, unsigned long n)
{
	const double until = mono_s() + END_S;

	while (c->shared->n_ready < n) {
		if (mono_s() > until)
			fail("the clients are not connected");
		nap(0.001);
	}
}

static size_t n_done(const struct contender *c)
{
	const size_t n = c->shared->n_received, n_acknowledged = c->shared->n_acknowledged;

	if (c->is_signed)
		return c->shared->n_receipts;
	return n < n_acknowledged ? n : n_acknowledged;
}

static void send_all(struct contender *c, double begin,
		     void (*publish)(const unsigned char *, size_t))
{
	unsigned char message[MESSAGE_BYTES];
	double now;

	while ((now = mono_s()) < begin + c->warm_s + c->seconds && c->n_sent < EXCHANGES_MAX) {
		double due = now;

		if (c->n_sent - n_done(c) >= c->in_flight) {
			nap(0.0002);
			continue;
		}
		if (c->rate > 0) {
			due = begin + (double)c->n_sent / c->rate;
			nap(due - now);
		}
		c->shared->due_s[c->n_sent] = due;
		publish(message, contender_message(c, c->n_sent, message));
		c->n_sent++;
	}
}

static void report(struct contender *c, double begin, double cpu_s)
{
	struct samples s = {.n = 0};

	for (size_t i = 0; i < c->n_sent; i++) {
		const double at = c->shared->done_s[i];

		if (at >= begin + c->warm_s && at < begin + c->warm_s + c->seconds)
			samples_add(&s, at - c->shared->due_s[i]);
	}
	samples_sort(&s);
	(void)printf("{\"n\": %zu, \"seconds\": %.3f, \"exchanges_per_s\": %.1f, "
		     "\"cpu_s_per_10k\": %.3f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
		     s.n, c->seconds, (double)s.n / c->seconds, cpu_s * 1e4 / (double)c->n_sent,
		     samples_at(&s, 0.5) * 1e6, samples_at(&s, 0.99) * 1e6);
	samples_fini(&s);
}

void contender_run(struct contender *c, void (*publish)(const unsigned char *p, size_t n))
{
	const double begin = mono_s(), own = own_cpu_s();
	struct process_list all = c->broker;
	double cpu_s;

	all.pid[all.n++] = c->receiver;
	cpu_s = processes_cpu_s(&all);
	send_all(c, begin, publish);
	while (n_done(c) < c->n_sent) {
		if (mono_s() > begin + c->warm_s + c->seconds + END_S)
			fail("%zu of %zu exchanges came to no end", c->n_sent - n_done(c),
			     c->n_sent);
		nap(0.001);
	}
	report(c, begin, processes_cpu_s(&all) - cpu_s + own_cpu_s() - own);
	(void)fflush(stdout);
	(void)kill(c->receiver, SIGTERM);
	(void)waitpid(c->receiver, NULL, 0);
}
