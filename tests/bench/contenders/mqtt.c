/* Referrals over an MQTT broker, QoS 1: see contender.h. One thread of the library each process. */
#include <mosquitto.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/contenders/contender.h"

static struct contender contender;
static struct mosquitto *client;

static void on_connect(struct mosquitto *m, void *arg, int code)
{
	if (code)
		fail("the broker refuses a client: %d", code);
	if (mosquitto_subscribe(m, NULL, arg, 1))
		fail("no subscription");
}

static void on_subscribe(struct mosquitto *m, void *arg, int id, int n, const int *qos)
{
	(void)m, (void)arg, (void)id, (void)n, (void)qos;
	contender.shared->n_ready++;
}

static void on_publish(struct mosquitto *m, void *arg, int id)
{
	(void)m, (void)arg, (void)id;
	contender.shared->n_acknowledged++;
}

static void on_referral(struct mosquitto *m, void *arg, const struct mosquitto_message *message)
{
	unsigned char receipt[RECEIPT_BYTES];

	(void)arg;
	contender_received(&contender, message->payload, (size_t)message->payloadlen, receipt);
	if (contender.is_signed &&
	    mosquitto_publish(m, NULL, "receipts", (int)RECEIPT_BYTES, receipt, 1, false))
		fail("a receipt is not published");
}

static void on_receipt(struct mosquitto *m, void *arg, const struct mosquitto_message *message)
{
	(void)m, (void)arg;
	contender_receipted(&contender, message->payload, (size_t)message->payloadlen);
}

static void publish(const unsigned char *p, size_t n)
{
	if (mosquitto_publish(client, NULL, "referrals", (int)n, p, 1, false))
		fail("a referral is not published");
}

static void open_client(const char *name, const char *home, char *topic,
			void (*on_message)(struct mosquitto *, void *,
					   const struct mosquitto_message *))
{
	char chain[4096], key[4096];

	(void)snprintf(chain, sizeof(chain), "%s/tls.pem", home);
	(void)snprintf(key, sizeof(key), "%s/tls.key", home);
	(void)mosquitto_lib_init();
	client = mosquitto_new(name, true, topic);
	if (!client || mosquitto_tls_set(client, contender.ca, NULL, chain, key, NULL) ||
	    mosquitto_tls_opts_set(client, 1, "tlsv1.3", NULL) ||
	    mosquitto_tls_insecure_set(client,
				       true) || /* the certificate names an agency, no host */
	    mosquitto_max_inflight_messages_set(client, (unsigned)contender.in_flight) ||
	    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1))
		fail("a client cannot be set up");
	mosquitto_connect_callback_set(client, on_connect);
	mosquitto_subscribe_callback_set(client, on_subscribe);
	mosquitto_publish_callback_set(client, on_publish);
	mosquitto_message_callback_set(client, on_message);
	if (mosquitto_connect(client, "127.0.0.1", contender.port, 60) ||
	    mosquitto_loop_start(client))
		fail("no broker at port %d", contender.port);
}

int main(int n_word, char **word)
{
	static char referrals[] = "referrals", receipts[] = "receipts";

	contender_init(&contender, n_word, word);
	contender_fork(&contender);
	open_client(contender.receiver ? "sender" : "receiver",
		    contender.receiver ? contender.home_a : contender.home_b,
		    contender.receiver ? receipts : referrals,
		    contender.receiver ? on_receipt : on_referral);
	while (!contender.receiver)
		(void)pause();
	contender_wait_ready(&contender, 2);
	contender_run(&contender, publish);
	(void)mosquitto_disconnect(client);
	return 0;
}
