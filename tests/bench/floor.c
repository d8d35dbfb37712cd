/*
 * floor FOLDER HOME CA exchanges=N: the least that an exchange can take, one at a time. Each side
 * is one thread with mutual TLS 1.3 on loopback, signs and verifies with Ed25519, and commits one
 * row to SQLite with synchronous=FULL: sign, commit, send 2 KiB; verify, commit, sign, answer;
 * verify.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/rows.h"
#include "bench/signing.h"

#define BODY 2048
#define RECEIPT 176
#define ASKED (BODY + 80) /* with room for the signature */
#define ANSWERED (RECEIPT + 80)
#define WAL_PAGES 4000

struct end {
	struct signing *own, *other;
	struct rows rows;
	SSL *tls;
	unsigned char bytes[ASKED];
};

static int read_all(struct end *e, int n)
{
	int n_read = 0;

	while (n_read < n) {
		int more = SSL_read(e->tls, e->bytes + n_read, n - n_read);

		if (more <= 0)
			return 0;
		n_read += more;
	}
	return 1;
}

static void write_all(struct end *e, int n)
{
	if (SSL_write(e->tls, e->bytes, n) != n)
		fail("TLS does not write");
}

static void store(struct end *e)
{
	rows_begin(&e->rows);
	rows_insert(&e->rows, e->bytes, ASKED, 0);
	rows_commit(&e->rows);
}

static void end_open(struct end *e, int is_server, int fd, char **word)
{
	const int one = 1;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/floor-%d", word[1], is_server);
	rows_open(&e->rows, path, WAL_PAGES);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		fail("TCP_NODELAY");
	e->tls = tls_new(is_server, fd, word[2], word[3]);
	if (SSL_do_handshake(e->tls) != 1)
		fail("no TLS handshake");
}

static void answer(struct end *e)
{
	while (read_all(e, ASKED)) {
		signing_verify(e->other, e->bytes, BODY, e->bytes + BODY);
		store(e);
		signing_sign(e->own, e->bytes, RECEIPT, e->bytes + RECEIPT);
		write_all(e, ANSWERED);
	}
}

static void ask(struct end *e, struct samples *s)
{
	const double begin = mono_s();

	signing_sign(e->own, e->bytes, BODY, e->bytes + BODY);
	store(e);
	write_all(e, ASKED);
	if (!read_all(e, ANSWERED))
		fail("no answer");
	signing_verify(e->other, e->bytes, RECEIPT, e->bytes + RECEIPT);
	samples_add(s, mono_s() - begin);
}

static int listen_any(struct sockaddr_in *at)
{
	socklen_t n = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof(*at)) != 0 || listen(fd, 1) != 0 ||
	    getsockname(fd, (struct sockaddr *)at, &n) != 0)
		fail("cannot listen on loopback");
	return fd;
}

int main(int n_word, char **word)
{
	static struct end e;
	struct sockaddr_in at;
	struct signing asker, answerer;
	struct samples s = {.n = 0};
	int listener = listen_any(&at), fd;
	size_t n = 0;
	pid_t child;

	if (n_word != 5 || !option_size(word[4], "exchanges", &n))
		fail("usage: floor FOLDER HOME CA exchanges=N");
	signing_init(&asker);
	signing_init(&answerer);
	child = fork();
	if (child < 0)
		fail("no process");
	if (child == 0) {
		e.own = &answerer;
		e.other = &asker;
		end_open(&e, 1, accept(listener, NULL, NULL), word);
		answer(&e);
		_exit(0);
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		fail("cannot connect");
	e.own = &asker;
	e.other = &answerer;
	end_open(&e, 0, fd, word);
	for (size_t i = 0; i < n; i++)
		ask(&e, &s);
	(void)shutdown(fd, SHUT_RDWR);
	(void)waitpid(child, NULL, 0);
	samples_sort(&s);
	(void)printf("{\"n\": %zu, \"p50_us\": %.0f, \"p99_us\": %.0f}\n", s.n,
		     samples_at(&s, 0.5) * 1e6, samples_at(&s, 0.99) * 1e6);
	return 0;
}
