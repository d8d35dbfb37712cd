/*
 * primitives FOLDER HOME CA: what the steps of an exchange cost here and now, and the limit that
 * follows.
 *
 * CPU microseconds of an exchange, N records a signature, G rows a commit (formula and its ways of
 * measuring: ../shared/contenders):
 *   C = 2 (s + v) / N + 2 s / G + pack + unpack + 2 h2k + 5 h65 + tls + 2 row(G) + 2 rowsmall / N
 *   L = kappa 1e6 / C, with kappa = throughput of two processes over that of one
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/rows.h"
#include "bench/signing.h"
#include "payload.pb-c.h"

#define N 100.0
#define G 100
#define PIECE_S 0.02 /* a measurement, of which the median of three counts */
#define ROWS_S 0.2
#define BODY_BYTES 2048
#define TLS_MESSAGES 16

struct bench {
	const char *folder, *home, *ca;
	unsigned char text[TLS_MESSAGES * BODY_BYTES + 1024];
	struct signing signing;
	unsigned char signature[SIGNATURE_BYTES];
	EVP_MD *sha256;
	EVP_MD_CTX *md;
	Bench__Payload payload;
	Bench__Head head;
	Bench__Part part[12], *parts[12];
	unsigned char packed[2 * BODY_BYTES];
	size_t n_packed;
	SSL *client, *server;
};

typedef void work(struct bench *b);

static double once_us(struct bench *b, work *w)
{
	const double begin = mono_s();
	double s;
	long n = 0;

	do {
		for (int i = 0; i < 8; i++)
			w(b);
		n += 8;
		s = mono_s() - begin;
	} while (s < PIECE_S);
	return s * 1e6 / (double)n;
}

static double median_us(struct bench *b, work *w)
{
	struct samples s = {.n = 0};
	double median;

	for (int i = 0; i < 3; i++)
		samples_add(&s, once_us(b, w));
	samples_sort(&s);
	median = samples_at(&s, 0.5);
	samples_fini(&s);
	return median;
}

static void sign_48(struct bench *b)
{
	signing_sign(&b->signing, b->text, 48, b->signature);
}

static void verify_48(struct bench *b)
{
	signing_verify(&b->signing, b->text, 48, b->signature);
}

static void hash(struct bench *b, size_t n_first, size_t n, size_t n_times)
{
	unsigned char digest[32];
	unsigned n_digest;
	int ok = EVP_DigestInit_ex2(b->md, b->sha256, NULL);

	ok = ok && EVP_DigestUpdate(b->md, b->text, n_first);
	for (size_t i = 0; i < n_times; i++)
		ok = ok && EVP_DigestUpdate(b->md, b->text, n);
	if (!ok || EVP_DigestFinal_ex(b->md, digest, &n_digest) != 1)
		fail("SHA-256 fails");
}

static void hash_2k(struct bench *b)
{
	hash(b, BODY_BYTES, 0, 0);
}

static void hash_65(struct bench *b)
{
	hash(b, 1, 32, 2);
}

static void pack(struct bench *b)
{
	b->n_packed = bench__payload__pack(&b->payload, b->packed);
}

static void unpack(struct bench *b)
{
	Bench__Payload *p = bench__payload__unpack(NULL, b->n_packed, b->packed);

	if (!p)
		fail("a payload does not unpack");
	bench__payload__free_unpacked(p, NULL);
}

static void fill_payload(struct bench *b)
{
	static char id[] = "01HZX5T9WQ3N7B8C1D2E3F4G5H", from[] = "agency.one.example.org",
		    to[] = "agency.two.example.org", purpose[] = "child-protection/request",
		    type[] = "referral.v1", name[] = "identity.place_of_birth.text",
		    value[] = "a value of an attribute, of moderate length: 48.";
	const ProtobufCBinaryData salt = {16, b->text}, parent = {32, b->text},
				  rest = {580, b->text};

	bench__head__init(&b->head);
	b->head.id = id;
	b->head.sender = from;
	b->head.receiver = to;
	b->head.purpose = purpose;
	b->head.has_created_ms = b->head.has_expires_ms = b->head.has_handling = 1;
	b->head.created_ms = 1780000000000;
	b->head.expires_ms = 1790000000000;
	b->head.handling = 1;
	b->head.has_parent = 1;
	b->head.parent = parent;
	bench__payload__init(&b->payload);
	b->payload.head = &b->head;
	b->payload.type = type;
	b->payload.has_rest = 1;
	b->payload.rest = rest;
	b->payload.n_part = 12;
	b->payload.part = b->parts;
	for (int i = 0; i < 12; i++) {
		bench__part__init(&b->part[i]);
		b->part[i].name = name;
		b->part[i].value = value;
		b->part[i].has_salt = 1;
		b->part[i].salt = salt;
		b->parts[i] = &b->part[i];
	}
}

/* --- TLS --------------------------------------------------------------------------------- */

static void open_tls(struct bench *b)
{
	const int room = 1 << 20;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		fail("no socketpair");
	for (int i = 0; i < 2; i++)
		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) != 0 ||
		    setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) != 0 ||
		    fcntl(fd[i], F_SETFL, O_NONBLOCK) != 0)
			fail("a socket's options");
	b->client = tls_new(0, fd[0], b->home, b->ca);
	b->server = tls_new(1, fd[1], b->home, b->ca);
	for (int i = 0; i < 20; i++) {
		(void)SSL_do_handshake(b->client);
		(void)SSL_do_handshake(b->server);
	}
	if (!SSL_is_init_finished(b->client) || !SSL_is_init_finished(b->server))
		fail("no TLS handshake");
}

static void carry(struct bench *b, SSL *from, SSL *to, int n)
{
	int n_read = 0;

	if (SSL_write(from, b->text, n) != n)
		fail("TLS does not write");
	while (n_read < n) {
		int more = SSL_read(to, b->text, (int)sizeof(b->text));

		n_read += more > 0 ? more : 0;
	}
}

static void tls_batch(struct bench *b)
{
	carry(b, b->client, b->server, TLS_MESSAGES * BODY_BYTES);
	carry(b, b->server, b->client, 128);
}

/* --- rows and processes ------------------------------------------------------------------ */

static double row_us(struct bench *b, int n_commit, size_t n_bytes)
{
	struct rows r;
	char path[4096];
	double begin, cpu;
	long n = 0;

	(void)snprintf(path, sizeof(path), "%s/rows", b->folder);
	rows_open(&r, path, 1000);
	begin = mono_s();
	cpu = own_cpu_s();
	do {
		rows_begin(&r);
		for (int i = 0; i < n_commit; i++, n++)
			rows_insert(&r, b->text, n_bytes, 73);
		rows_commit(&r);
	} while (mono_s() - begin < ROWS_S);
	cpu = own_cpu_s() - cpu;
	rows_close(&r);
	(void)unlink(path);
	return cpu * 1e6 / (double)n;
}

static double mixes_per_s(struct bench *b, int n_processes)
{
	volatile long *n =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const double begin = mono_s();
	double s;
	long sum;

	if (n == MAP_FAILED)
		fail("no memory");
	for (int i = 0; i < n_processes; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("no process");
		if (child > 0)
			continue;
		while (mono_s() - begin < ROWS_S) {
			sign_48(b);
			verify_48(b);
			for (int k = 0; k < 20; k++)
				hash_2k(b);
			n[i * 64]++; /* cache lines apart */
		}
		_exit(0);
	}
	for (int i = 0; i < n_processes; i++)
		(void)wait(NULL);
	s = mono_s() - begin;
	sum = n[0] + n[64];
	(void)munmap((void *)(size_t)n, 4096);
	return (double)sum / s;
}

static double kappa(struct bench *b)
{
	const double k = 1 / mixes_per_s(b, 1) * mixes_per_s(b, 2);

	return k > 2 ? 2 : k;
}

int main(int n_word, char **word)
{
	static struct bench b;
	double s, v, h2k, h65, pack_us, unpack_us, tls, row, small, k, c;

	if (n_word != 4)
		fail("usage: primitives FOLDER HOME CA");
	b.folder = word[1];
	b.home = word[2];
	b.ca = word[3];
	b.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	b.md = EVP_MD_CTX_new();
	signing_init(&b.signing);
	fill_payload(&b);
	open_tls(&b);
	s = median_us(&b, sign_48);
	v = median_us(&b, verify_48);
	h2k = median_us(&b, hash_2k);
	h65 = median_us(&b, hash_65);
	pack_us = median_us(&b, pack);
	unpack_us = median_us(&b, unpack);
	tls = median_us(&b, tls_batch) / TLS_MESSAGES;
	row = row_us(&b, G, 2001);
	small = row_us(&b, G, 48);
	k = kappa(&b);
	c = 2 * (s + v) / N + 2 * s / G + pack_us + unpack_us + 2 * h2k + 5 * h65 + tls + 2 * row +
	    2 * small / N;
	(void)printf(
		"{\"limit_per_s\": %.0f, \"c_us\": %.2f, \"s\": %.2f, \"v\": %.2f, "
		"\"h2k\": %.3f, \"h65\": %.3f, \"pack\": %.3f, \"unpack\": %.3f, \"tls\": %.3f, "
		"\"row\": %.3f, \"rowsmall\": %.3f, \"kappa\": %.3f, \"n_packed\": %zu}\n",
		k * 1e6 / c, c, s, v, h2k, h65, pack_us, unpack_us, tls, row, small, k, b.n_packed);
	return 0;
}
