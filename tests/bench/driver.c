/*
 * Puts load on a node through its local socket, as many case systems at once would.
 *
 *   driver import SOCKET                    a record in JSON a line -> an id in hex a line
 *   driver send SOCKET PEER RECORDS [KEY=VALUE...]
 *
 * An exchange counts when the sender has durably stored the verified receipt: a `peer watch` says,
 * after the commit, up to which position (k) the peer's receipts go; each reply to a send names its
 * k. Latency runs from the moment at which a send was due, so that a stall counts for all that
 * wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/measure.h"
#include "record/json.h"
#include "wire/frame.h"

#define CONNECTIONS_MAX 14 /* a user has 16: one watches, one is left for the command */
#define IN_FLIGHT_MAX 32   /* what a node takes from one connection at a time */
#define ID_BYTES 16
#define ASKED_MAX 1024 /* requests without their reply, over all connections */
#define K_MAX (1u << 24)
#define IN_BYTES (FRAME_HEAD_BYTES + FRAME_BODY_MAX)
#define END_S 60.0 /* until the last receipt */
#define WAIT_S 0.1 /* at most between two looks at the clock */

struct conn {
	int fd;
	struct buf in, out;
	unsigned n_asked;
};

struct load {
	struct conn conn[CONNECTIONS_MAX + 1]; /* the last one watches */
	size_t n_conn, n_in_flight_max;
	const char *peer;
	uint8_t (*record)[ID_BYTES];
	size_t n_record;
	double rate, warm_s, seconds;
	size_t n_max;	 /* sends in all; 0: as many as fit into the time */
	size_t is_alone; /* the peer is away: an exchange counts when it is written here */
	struct process_list processes;
	uint64_t n_asked, n_replied, n_counted; /* sends; of those, with a receipt */
	double asked_s[ASKED_MAX];		/* by request id */
	double *due_s, *done_s;			/* by k, from begin_s; 0: not known yet */
	uint64_t delivered_k;
	bool is_watching;
	double begin_s;
	struct samples latency;
};

static void check(enum err e, const char *what)
{
	if (e)
		fail("%s: %s %s", what, err_text(e), err_words());
}

static struct conn conn_open(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct conn c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	if (strlen(path) >= sizeof(to.sun_path))
		fail("%s is too long for a socket", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (c.fd < 0 || connect(c.fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	    fcntl(c.fd, F_SETFL, O_NONBLOCK) != 0)
		fail("%s: %s", path, strerrordesc_np(errno));
	buf_init(&c.in, IN_BYTES + 65536);
	buf_init(&c.out, 8u << 20);
	return c;
}

/* Until the node has let go of it: another may be opened in its place then. */
static void conn_end(struct conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	uint8_t byte;

	if (shutdown(c->fd, SHUT_WR) != 0 || poll(&p, 1, 10000) != 1 ||
	    recv(c->fd, &byte, 1, 0) != 0)
		fail("the node does not end a connection");
}

static void conn_close(struct conn *c)
{
	(void)close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
}

static void conn_write(struct conn *c)
{
	while (c->out.n > 0) {
		ssize_t n = send(c->fd, buf_data(&c->out), c->out.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			fail("send: %s", strerrordesc_np(errno));
		buf_consume(&c->out, (size_t)n);
	}
}

static void conn_read(struct conn *c)
{
	uint8_t *to;
	ssize_t n;

	check(buf_reserve(&c->in, 65536, &to), "memory");
	n = recv(c->fd, to, 65536, 0);
	if (n == 0)
		fail("the node closed the connection");
	if (n > 0)
		buf_advance(&c->in, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		fail("recv: %s", strerrordesc_np(errno));
}

/* The next reply that is buffered, to be freed; NULL: none. */
static struct pb_api_reply *conn_reply(struct conn *c)
{
	struct pb_api_reply *reply = NULL;
	struct view body;
	enum err e = frame_take(&c->in, FRAME_BODY_MAX, &body);

	if (e == ERR_AGAIN)
		return NULL;
	check(e, "a reply's frame");
	check(message_decode(&pb_api_reply_desc, body, MESSAGE_STRICT, &reply), "a reply");
	if (reply->error)
		fail("the node answers: %s", reply->error->text);
	return reply;
}

static void conn_ask(struct conn *c, uint64_t id, struct pb_api_request *request)
{
	request->has_id = 1;
	request->id = id;
	check(frame_put_message(&c->out, request), "a request");
}

/* --- import ------------------------------------------------------------------------------ */

static size_t take_ids(struct conn *c)
{
	struct pb_api_reply *reply;
	size_t n = 0;

	conn_read(c);
	while ((reply = conn_reply(c)) != NULL) {
		char hex[HEX_LEN(ID_BYTES)];

		if (!reply->record || reply->record->id.len != ID_BYTES)
			fail("an import without a record id");
		hex_encode(message_bytes(1, reply->record->id), hex);
		(void)puts(hex);
		message_free(reply);
		n++;
	}
	return n;
}

static void ask_import(struct conn *c, uint64_t id, const char *json)
{
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;
	struct buf record = {0};
	enum record_type type;

	check(record_from_json(view_str(json), &type, &record), "a record");
	import.has_type = import.has_record = 1;
	import.type = (uint32_t)type;
	import.record = message_borrow(buf_view(&record));
	request.record_import = &import;
	conn_ask(c, id, &request);
	buf_fini(&record);
}

static int run_import(const char *path)
{
	struct conn c = conn_open(path);
	char *line = NULL;
	size_t cap = 0, n_asked = 0, n_done = 0;
	bool is_end = false;

	while (!is_end || n_done < n_asked) {
		struct pollfd p = {.fd = c.fd, .events = POLLIN};

		while (!is_end && n_asked - n_done < IN_FLIGHT_MAX) {
			is_end = getline(&line, &cap, stdin) < 0;
			if (!is_end)
				ask_import(&c, ++n_asked, line);
		}
		conn_write(&c);
		p.events = (short)(c.out.n > 0 ? POLLIN | POLLOUT : POLLIN);
		if (n_done < n_asked && poll(&p, 1, 10000) <= 0)
			fail("no answer to an import");
		if (n_done < n_asked)
			n_done += take_ids(&c);
	}
	free(line);
	conn_close(&c);
	return 0;
}

/* --- send -------------------------------------------------------------------------------- */

static void ask_watch(struct load *l)
{
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct pb_peer_watch watch = PB_PEER_WATCH_INIT;

	watch.peer = message_borrow_text(l->peer);
	request.peer_watch = &watch;
	conn_ask(&l->conn[l->n_conn], 1, &request);
	conn_write(&l->conn[l->n_conn]);
}

static void ask_send(struct load *l, struct conn *c, double due_s)
{
	static char reason[] = "bench", message[] = "synthetic referral of a measurement";
	struct pb_api_request request = PB_API_REQUEST_INIT;
	struct pb_referral_send send = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;
	struct pb_consent consent = PB_CONSENT_INIT;

	consent.has_given_by = 1;
	consent.given_by = PB(CONSENT_GIVER, CHILD);
	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	terms.consent = &consent;
	terms.message = message;
	send.has_record_id = send.has_purpose = 1;
	send.record_id = message_borrow(view_of(l->record[l->n_asked % l->n_record], ID_BYTES));
	send.peer = message_borrow_text(l->peer);
	send.purpose = PB(PURPOSE, FAMILY_TRACING);
	send.terms = &terms;
	send.reason = reason;
	request.referral_send = &send;
	l->asked_s[l->n_asked % ASKED_MAX] = due_s;
	l->n_asked++;
	c->n_asked++;
	conn_ask(c, l->n_asked, &request);
}

static void count(struct load *l, uint64_t k)
{
	const double done_s = l->done_s[k], due_s = l->due_s[k];

	l->n_counted++;
	if (done_s >= l->warm_s && done_s < l->warm_s + l->seconds)
		samples_add(&l->latency, done_s - due_s);
}

static double since(const struct load *l, double at_s)
{
	const double s = at_s - l->begin_s;

	return s > 0 ? s : 1e-6;
}

/* The node has written the referral at position k; its receipt may have been told of before. */
static void take_sent(struct load *l, const struct pb_api_reply *reply)
{
	uint64_t k;

	if (!reply->referral || !reply->referral->has_k || reply->referral->k >= K_MAX)
		fail("a send without a position");
	k = reply->referral->k;
	l->due_s[k] = since(l, l->asked_s[(reply->id - 1) % ASKED_MAX]);
	l->n_replied++;
	if (l->is_alone)
		l->done_s[k] = since(l, mono_s());
	if (l->done_s[k] > 0)
		count(l, k);
}

static void take_watched(struct load *l, const struct pb_api_reply *reply, double now)
{
	if (!reply->peer || !reply->peer->has_delivered_k || reply->peer->delivered_k >= K_MAX)
		fail("a watch without a position");
	if (reply->peer->n_refused)
		fail("the peer refused %llu items", (unsigned long long)reply->peer->n_refused);
	if (!l->is_watching)
		l->delivered_k = reply->peer->delivered_k; /* of what was there before */
	l->is_watching = true;
	while (l->delivered_k < reply->peer->delivered_k) {
		const uint64_t k = ++l->delivered_k;

		l->done_s[k] = now;
		if (l->due_s[k] > 0)
			count(l, k);
	}
}

static void take_replies(struct load *l, size_t i)
{
	struct pb_api_reply *reply;
	struct conn *c = &l->conn[i];

	conn_read(c);
	while ((reply = conn_reply(c)) != NULL) {
		if (i == l->n_conn) {
			take_watched(l, reply, since(l, mono_s()));
		} else {
			take_sent(l, reply);
			c->n_asked--;
		}
		message_free(reply);
	}
}

static uint64_t n_done(const struct load *l)
{
	return l->is_alone ? l->n_replied : l->n_counted;
}

/* Ask what is due, as far as the node may be asked. */
static void ask_due(struct load *l, double now)
{
	size_t at = l->n_asked % l->n_conn;

	for (size_t n_full = 0; n_full < l->n_conn;) {
		struct conn *c = &l->conn[at];
		double due_s = now;

		if (l->n_asked - n_done(l) >= l->n_in_flight_max ||
		    (l->n_max && l->n_asked == l->n_max))
			return;
		if (l->rate > 0) {
			due_s = l->begin_s + (double)(l->n_asked + 1) / l->rate;
			if (due_s > now)
				return;
		}
		at = (at + 1) % l->n_conn;
		if (c->n_asked >= IN_FLIGHT_MAX) {
			n_full++;
			continue;
		}
		n_full = 0;
		ask_send(l, c, due_s);
	}
}

/* Until the next send is due, to the nanosecond: to look again and again would take the processor
 * from the nodes that are measured. */
static struct timespec until_due(const struct load *l, double now, bool is_asking)
{
	double s = WAIT_S;

	if (is_asking && l->rate > 0)
		s = l->begin_s + (double)(l->n_asked + 1) / l->rate - now;
	s = s < 0 ? 0 : s > WAIT_S ? WAIT_S : s;
	return (struct timespec){.tv_nsec = (long)(s * 1e9)};
}

static void turn(struct load *l, bool is_asking)
{
	struct pollfd p[CONNECTIONS_MAX + 1];
	struct timespec wait;
	double now = mono_s();

	if (is_asking)
		ask_due(l, now);
	for (size_t i = 0; i <= l->n_conn; i++) {
		conn_write(&l->conn[i]);
		p[i] = (struct pollfd){.fd = l->conn[i].fd, .events = POLLIN};
		if (l->conn[i].out.n > 0)
			p[i].events |= POLLOUT;
	}
	wait = until_due(l, now, is_asking);
	if (ppoll(p, l->n_conn + 1, &wait, NULL) < 0 && errno != EINTR)
		fail("poll: %s", strerrordesc_np(errno));
	for (size_t i = 0; i <= l->n_conn; i++)
		if (p[i].revents)
			take_replies(l, i);
}

static void report(struct load *l, double cpu_s)
{
	samples_sort(&l->latency);
	(void)printf("{\"n\": %zu, \"seconds\": %.3f, \"exchanges_per_s\": %.1f, \"cpu_s\": %.3f, "
		     "\"p50_us\": %.0f, \"p90_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %.0f, "
		     "\"n_sent\": %llu, \"last_k\": %llu, \"driver_cpu_s\": %.3f}\n",
		     l->latency.n, l->seconds, (double)l->latency.n / l->seconds, cpu_s,
		     samples_at(&l->latency, 0.5) * 1e6, samples_at(&l->latency, 0.9) * 1e6,
		     samples_at(&l->latency, 0.99) * 1e6, samples_at(&l->latency, 1) * 1e6,
		     (unsigned long long)l->n_asked, (unsigned long long)l->delivered_k,
		     own_cpu_s());
}

static void measure(struct load *l)
{
	double cpu_from = -1, cpu_to = -1, end_s, now;

	ask_watch(l);
	while (!l->is_watching)
		turn(l, false);
	l->begin_s = mono_s();
	end_s = l->begin_s + l->warm_s + l->seconds;
	while ((now = mono_s()) < end_s && (!l->n_max || l->n_asked < l->n_max)) {
		if (cpu_from < 0 && now >= l->begin_s + l->warm_s)
			cpu_from = processes_cpu_s(&l->processes);
		turn(l, true);
	}
	cpu_to = processes_cpu_s(&l->processes);
	end_s = mono_s();
	/* what was asked is waited for, that nothing is lost unseen and the next round begins clean
	 */
	while (n_done(l) < l->n_asked) {
		if (mono_s() > end_s + END_S)
			fail("%llu of %llu exchanges came to no end",
			     (unsigned long long)(l->n_asked - n_done(l)),
			     (unsigned long long)l->n_asked);
		turn(l, false);
	}
	if (l->n_max) {
		cpu_to = processes_cpu_s(&l->processes);
		l->seconds = mono_s() - l->begin_s;
	}
	report(l, cpu_to - cpu_from);
}

static void read_records(struct load *l, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[HEX_LEN(ID_BYTES) + 2];

	if (!f)
		fail("%s: %s", path, strerrordesc_np(errno));
	while (fgets(line, sizeof(line), f)) {
		void *more = realloc(l->record, (l->n_record + 1) * ID_BYTES);

		line[strcspn(line, "\n")] = 0;
		if (!more)
			fail("out of memory");
		l->record = more;
		check(hex_decode(line, l->record[l->n_record++], ID_BYTES), "a record's id");
	}
	(void)fclose(f);
	if (l->n_record == 0)
		fail("%s holds no record", path);
}

static int run_send(const char *path, int n_word, char **word)
{
	struct load *l = calloc(1, sizeof(*l));

	if (!l)
		fail("out of memory");
	l->peer = word[0];
	read_records(l, word[1]);
	for (int i = 2; i < n_word; i++)
		if (!option_number(word[i], "rate", &l->rate) &&
		    !option_number(word[i], "warm", &l->warm_s) &&
		    !option_number(word[i], "seconds", &l->seconds) &&
		    !option_size(word[i], "in-flight", &l->n_in_flight_max) &&
		    !option_size(word[i], "connections", &l->n_conn) &&
		    !option_size(word[i], "count", &l->n_max) &&
		    !option_size(word[i], "alone", &l->is_alone) &&
		    !option_processes(word[i], "pids", &l->processes))
			fail("unknown option %s", word[i]);
	l->n_conn = l->n_conn ? l->n_conn : CONNECTIONS_MAX;
	l->n_in_flight_max = l->n_in_flight_max ? l->n_in_flight_max : K_MAX;
	if (l->n_conn > CONNECTIONS_MAX || l->seconds <= 0)
		fail("at most %d connections, and more than 0 seconds", CONNECTIONS_MAX);
	l->due_s = calloc(K_MAX, sizeof(*l->due_s));
	l->done_s = calloc(K_MAX, sizeof(*l->done_s));
	if (!l->due_s || !l->done_s)
		fail("out of memory");
	for (size_t i = 0; i <= l->n_conn; i++)
		l->conn[i] = conn_open(path);
	measure(l);
	for (size_t i = 0; i < l->n_conn; i++)
		conn_end(&l->conn[i]);
	for (size_t i = 0; i <= l->n_conn; i++)
		conn_close(&l->conn[i]);
	samples_fini(&l->latency);
	free(l->due_s);
	free(l->done_s);
	free(l->record);
	free(l);
	return 0;
}

int main(int n_word, char **word)
{
	if (n_word == 3 && strcmp(word[1], "import") == 0)
		return run_import(word[2]);
	if (n_word >= 5 && strcmp(word[1], "send") == 0)
		return run_send(word[2], n_word - 3, word + 3);
	fail("usage: driver import SOCKET | driver send SOCKET PEER RECORDS [KEY=VALUE...]");
}
