/* Referrals over NATS JetStream with a file store: see contender.h. Acknowledged publishing. */
#include <nats/nats.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/contenders/contender.h"

static struct contender contender;
static natsConnection *connection;
static jsCtx *stream;

static void check(natsStatus s, const char *what)
{
	if (s != NATS_OK)
		fail("%s: %s", what, natsStatus_GetText(s));
}

/* In the order of publishing, or nearly; only the number counts. */
static void on_acknowledged(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *error,
			    void *arg)
{
	(void)js, (void)arg;
	if (!ack || error)
		fail("the broker does not acknowledge");
	contender.shared->n_acknowledged++;
	natsMsg_Destroy(message);
}

static void open_client(const char *home)
{
	natsOptions *options;
	jsOptions js;
	char url[64], chain[4096], key[4096];

	(void)snprintf(url, sizeof(url), "tls://127.0.0.1:%d", contender.port);
	(void)snprintf(chain, sizeof(chain), "%s/tls.pem", home);
	(void)snprintf(key, sizeof(key), "%s/tls.key", home);
	check(natsOptions_Create(&options), "options");
	check(natsOptions_SetURL(options, url), url);
	check(natsOptions_LoadCATrustedCertificates(options, contender.ca), contender.ca);
	check(natsOptions_LoadCertificatesChain(options, chain, key), chain);
	/* The certificate names an agency, no host. */
	check(natsOptions_SkipServerVerification(options, true), "options");
	check(natsOptions_SetSecure(options, true), "options");
	check(natsConnection_Connect(&connection, options), "connecting");
	natsOptions_Destroy(options);
	check(jsOptions_Init(&js), "options");
	js.PublishAsync.MaxPending = (int64_t)contender.in_flight;
	js.PublishAsync.AckHandler = on_acknowledged;
	check(natsConnection_JetStream(&stream, connection, &js), "JetStream");
}

static void make_stream(const char *name, const char *subject)
{
	jsStreamConfig config;

	(void)js_DeleteStream(stream, name, NULL, NULL); /* of the round before */
	check(jsStreamConfig_Init(&config), "configuration");
	config.Name = name;
	config.Subjects = &subject;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.Retention = js_WorkQueuePolicy;
	check(js_AddStream(NULL, stream, &config, NULL, NULL), "a stream");
}

/* In a process of its own: the library's threads do not survive a fork. */
static void make_streams(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		open_client(contender.home_a);
		make_stream("REFERRALS", "referrals");
		make_stream("RECEIPTS", "receipts");
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		fail("the streams cannot be made");
}

static void publish_to(const char *subject, const unsigned char *p, size_t n)
{
	natsMsg *message;

	check(natsMsg_Create(&message, subject, NULL, (const char *)p, (int)n), "a message");
	check(js_PublishMsgAsync(stream, &message, NULL), "publishing");
	natsMsg_Destroy(message);
}

static void on_referral(natsConnection *c, natsSubscription *s, natsMsg *message, void *arg)
{
	unsigned char receipt[RECEIPT_BYTES];

	(void)c, (void)s, (void)arg;
	contender_received(&contender, (const unsigned char *)natsMsg_GetData(message),
			   (size_t)natsMsg_GetDataLength(message), receipt);
	if (contender.is_signed)
		publish_to("receipts", receipt, sizeof(receipt));
	(void)natsMsg_Ack(message, NULL);
	natsMsg_Destroy(message);
}

static void on_receipt(natsConnection *c, natsSubscription *s, natsMsg *message, void *arg)
{
	(void)c, (void)s, (void)arg;
	contender_receipted(&contender, (const unsigned char *)natsMsg_GetData(message),
			    (size_t)natsMsg_GetDataLength(message));
	(void)natsMsg_Ack(message, NULL);
	natsMsg_Destroy(message);
}

static void subscribe(const char *name, const char *subject, const char *durable,
		      natsMsgHandler take)
{
	natsSubscription *s;
	jsSubOptions options;

	check(jsSubOptions_Init(&options), "options");
	options.Stream = name;
	options.ManualAck = true;
	options.Config.Durable = durable;
	options.Config.AckPolicy = js_AckExplicit;
	options.Config.MaxAckPending = 20000;
	check(js_Subscribe(&s, stream, subject, take, NULL, NULL, &options, NULL), "subscribing");
	check(natsSubscription_SetPendingLimits(s, -1, -1), "limits");
	contender.shared->n_ready++;
}

static void publish(const unsigned char *p, size_t n)
{
	publish_to("referrals", p, n);
}

int main(int n_word, char **word)
{
	contender_init(&contender, n_word, word);
	make_streams();
	contender_fork(&contender);
	open_client(contender.receiver ? contender.home_a : contender.home_b);
	if (!contender.receiver) {
		subscribe("REFERRALS", "referrals", "referrals", on_referral);
		for (;;)
			(void)pause();
	}
	subscribe("RECEIPTS", "receipts", "receipts", on_receipt);
	contender_wait_ready(&contender, 2);
	contender_run(&contender, publish);
	return 0;
}
