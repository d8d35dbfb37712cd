#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "config/config.h"

/* One line a key, so that a test can replace one and know its line. */
static const char *const base_lines[] = {
	"agency: spiffe://cz.example/authority", /* 1 */
	"data: data",
	"socket: amparo.sock",
	"node_key: node.key",
	"last_signed: last-signed", /* 5 */
	"tls: {chain: tls.pem, key: tls.key}",
	"seal: {chain: seal.pem, key: seal.key}",
	"listen: [\"127.0.0.1:0\", \"[::1]:8443\", node.cz.example:443]",
	"trust: [{domain: cz.example, ca: cz/ca.pem, crl: /abs/crl.pem}, "
	"{domain: sk.example, ca: sk.pem, crl: sk.crl}]",
	"peers: [{id: spiffe://sk.example/a, address: \"sk.example:8443\"}, " /* 10 */
	"{id: spiffe://sk.example/b}]",
	"roles: {auditor: {users: [root, 7], groups: [root]}, operator: {groups: [12]}}",
	"log: warn",
};
#define N_LINES ARRAY_LEN(base_lines)

static enum err read_with(int line, const char *instead, struct config **ret,
			  struct config_problem *problem)
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < N_LINES; i++)
		assert_int_equal(
			buf_printf(&b, "%s\n", (int)i + 1 == line ? instead : base_lines[i]),
			ERR_OK);
	return config_parse("conf/node.yaml", buf_view(&b), ret, problem);
}

static void all_is_read(void **state)
{
	CLEANUP(config_freep) struct config *c = NULL;
	struct config_problem problem;

	(void)state;
	assert_int_equal(read_with(0, NULL, &c, &problem), ERR_OK);
	assert_string_equal(c->agency.text, "spiffe://cz.example/authority");
	assert_string_equal(c->data.text, "conf/data");
	assert_int_equal(c->data.line, 2);
	assert_string_equal(c->socket.text, "conf/amparo.sock");
	assert_string_equal(c->node_key.text, "conf/node.key");
	assert_string_equal(c->last_signed.text, "conf/last-signed");
	assert_string_equal(c->tls_chain.text, "conf/tls.pem");
	assert_string_equal(c->tls_key.text, "conf/tls.key");
	assert_string_equal(c->seal_chain.text, "conf/seal.pem");
	assert_string_equal(c->seal_key.text, "conf/seal.key");
	assert_int_equal(c->seal_key.line, 7);
	assert_int_equal(c->n_listen, 3);
	assert_string_equal(c->listen[0].host, "127.0.0.1");
	assert_int_equal(c->listen[0].port, 0);
	assert_string_equal(c->listen[1].host, "::1");
	assert_int_equal(c->listen[1].port, 8443);
	assert_string_equal(c->listen[2].host, "node.cz.example");
	assert_int_equal(c->n_trust, 2);
	assert_string_equal(c->trust[0].domain, "cz.example");
	assert_string_equal(c->trust[0].ca.text, "conf/cz/ca.pem");
	assert_string_equal(c->trust[0].crl.text, "/abs/crl.pem");
	assert_int_equal(c->n_peer, 2);
	assert_string_equal(c->peer[0].id.text, "spiffe://sk.example/a");
	assert_true(c->peer[0].has_address);
	assert_string_equal(c->peer[0].address.host, "sk.example");
	assert_false(c->peer[1].has_address);
	assert_int_equal(c->peer[1].line, 10);
	assert_false(c->has_default_roles);
	assert_int_equal(c->role[ROLE_AUDITOR].n_uid, 2);
	assert_int_equal(c->role[ROLE_AUDITOR].uid[0], 0);
	assert_int_equal(c->role[ROLE_AUDITOR].uid[1], 7);
	assert_int_equal(c->role[ROLE_AUDITOR].n_gid, 1);
	assert_int_equal(c->role[ROLE_OPERATOR].gid[0], 12);
	assert_int_equal(c->role[ROLE_CASEWORKER].n_uid + c->role[ROLE_CASEWORKER].n_gid, 0);
	assert_int_equal(c->limits.reserve_mib, 64);
	assert_int_equal(c->log_level, LOG_WARN);
	assert_string_equal(c->file, "conf/node.yaml");
}

static void limits_are_read(void **state)
{
	CLEANUP(config_freep) struct config *c = NULL;
	struct config_problem problem;

	(void)state;
	assert_int_equal(
		read_with(11, "limits: {reserve_mib: 16, peer_notes_a_day: 100}", &c, &problem),
		ERR_OK);
	assert_int_equal(c->limits.reserve_mib, 16);
	assert_int_equal(c->limits.peer_notes_a_day, 100);
	assert_int_equal(c->limits.peer_entries_a_day, 1000000);
	assert_int_equal(c->limits.peer_mib_held, 16384);
}

static void defaults(void **state)
{
	CLEANUP(config_freep) struct config *c = NULL;
	CLEANUP(config_freep) struct config *d = NULL;
	struct config_problem problem;

	(void)state;
	assert_int_equal(read_with(11, "", &c, &problem), ERR_OK);
	assert_true(c->has_default_roles);
	for (int i = 0; i < N_ROLES; i++) {
		bool has_self = false, has_root = false;

		for (size_t j = 0; j < c->role[i].n_uid; j++) {
			has_self |= c->role[i].uid[j] == geteuid();
			has_root |= c->role[i].uid[j] == 0;
		}
		assert_true(has_self && has_root);
		assert_int_equal(c->role[i].n_uid, geteuid() == 0 ? 1 : 2);
		assert_int_equal(c->role[i].n_gid, 0);
	}
	assert_int_equal(read_with(12, "", &d, &problem), ERR_OK);
	assert_int_equal(d->log_level, LOG_INFO);
	for (int line = 8; line <= 10; line += 2) { /* nor are listen and peers needed */
		CLEANUP(config_freep) struct config *e = NULL;

		assert_int_equal(read_with(line, "", &e, &problem), ERR_OK);
		assert_int_equal(line == 8 ? e->n_listen : e->n_peer, 0);
	}
}

static void mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		int line;
		const char *instead;
		const char *words;
		int other_line; /* 0: the line replaced */
	} cases[] = {
		{1, "agenzy: spiffe://cz.example/authority", "'agency' meant", 0},
		{1, "", "'agency' is missing", 2},
		{1, "agency: https://cz.example/a", "no agency id", 0},
		{1, "agency: spiffe://cz.example:x@sk.example/a", "no agency id", 0},
		{1, "agency: [a]", "must be text", 0},
		{1, "agency:", "no value", 0},
		{1, "agency: spiffe://sk.example/a", "the agency itself", 10},
		{2, "data: {}", "must be text", 0},
		{2, "socket: x", "twice, first on line 2", 3},
		{2, "data: .", "lies in the folder 'data'", 5},
		{4, "node_key: ./data//node.key", "'node_key' lies in the folder", 0},
		{4, "node_key: tls.key", "one file", 6},
		{5, "last_signed: data/last-signed", "'last_signed' lies", 0},
		{6, "tls: tls.pem", "map", 0},
		{6, "tls: {chain: a}", "'key' is missing", 0},
		{6, "tls: {chain: a, key: b, password: c}", "\"password\"", 0},
		{7, "seal: {chain: a, key: tls.key}", "'seal.key' and 'tls.key' are one file", 6},
		{8, "listen: 127.0.0.1:0", "must be a list", 0},
		{8, "listen: [[::1]:80]", "", 0},
		{8, "listen: [\"::1:80\"]", "no address", 0},
		{8, "listen: [\"[::1]\"]", "no address", 0},
		{8, "listen: [\"[::1]80\"]", "no address", 0},
		{8, "listen: [\"[127.0.0.1]:80\"]", "no address", 0},
		{8, "listen: [\"127.1:80\"]", "no address", 0},
		{8, "listen: [\"1.2.3.4.5:80\"]", "no address", 0},
		{8, "listen: [\"256.0.0.1:80\"]", "no address", 0},
		{8, "listen: [\"127.0.0.1:65536\"]", "no address", 0},
		{8, "listen: [\"127.0.0.1:080\"]", "no address", 0},
		{8, "listen: [\"127.0.0.1:\"]", "no address", 0},
		{8, "listen: [\"127.0.0.1\"]", "no address", 0},
		{8, "listen: [\":80\"]", "no address", 0},
		{8, "listen: [\"a_b:80\"]", "no address", 0},
		{8, "listen: [\"-a:80\"]", "no address", 0},
		{8, "listen: [\"a..b:80\"]", "no address", 0},
		{8, "listen: [\"a:+80\"]", "no address", 0},
		{8, "listen: [\"fe80::1%eth0:80\"]", "no address", 0},
		{8, "listen: [\"a:1\", \"b:1\", \"a:1\"]", "twice", 0},
		{8,
		 "listen: "
		 "[\"a:1\",\"a:2\",\"a:3\",\"a:4\",\"a:5\",\"a:6\",\"a:7\",\"a:8\",\"a:9\"]",
		 "more than 8", 0},
		{9, "trust: []", "no trust domain", 0},
		{9, "trust: {domain: cz.example}", "must be a list", 0},
		{9, "trust: [{domain: cz.example, ca: a}]", "'crl' is missing", 0},
		{9, "trust: [{domain: cz.example, crl: a}]", "'ca' is missing", 0},
		{9, "trust: [{domain: CZ.example, ca: a, crl: b}]", "trust domain alone", 0},
		{9, "trust: [{domain: cz.example/a, ca: a, crl: b}]", "trust domain alone", 0},
		{9, "trust: [{domain: a, ca: a, crl: b}, {domain: a, ca: c, crl: d}]", "twice", 0},
		{9, "trust: [{domain: cz.example, ca: a, crl: b}]", "not under 'trust'", 10},
		{10, "peers: [spiffe://sk.example/a]", "map", 0},
		{10, "peers: [{address: \"a:1\"}]", "'id' is missing", 0},
		{10, "peers: [{id: spiffe://sk.example/a}, {id: spiffe://sk.example/a}]", "twice",
		 0},
		{10, "peers: [{id: spiffe://de.example/a}]", "not under 'trust'", 0},
		{10, "peers: [{id: spiffe://cz.example/authority}]", "the agency itself", 0},
		{10, "peers: [{id: spiffe://sk.example/a, address: \"a:0\"}]", "port 0", 0},
		{10, "peers: [{id: spiffe://sk.example/a, adress: \"a:1\"}]", "'address' meant", 0},
		{11, "limits: {reserve_mib: 15}", "16", 0},
		{11, "limits: {reserve_mib: 1048577}", "1048576", 0},
		{11, "limits: {reserve_mib: 064}", "16", 0},
		{11, "limits: {peer_mib_held: many}", "16", 0},
		{11, "limits: {peer_notes_a_day: 99}", "100", 0},
		{11, "limits: {peer_entries: 500}", "\"peer_entries\"", 0},
		{11, "limits: [64]", "map", 0},
		{11, "roles: {}", "nobody has a role", 0},
		{11, "roles:", "map", 0},
		{11, "roles: {admin: {users: [root]}}", "\"admin\"", 0},
		{11, "roles: {auditor: {}}", "neither users nor groups", 0},
		{11, "roles: {auditor: {users: []}}", "neither users nor groups", 0},
		{11, "roles: {auditor: {users: root}}", "must be a list", 0},
		{11, "roles: {auditor: {users: [no-such-user-here]}}", "no user \"no-such", 0},
		{11, "roles: {auditor: {groups: [no-such-group-here]}}", "no group \"no-such", 0},
		{11, "roles: {auditor: {users: [4294967295]}}", "no user", 0},
		{11, "roles: {auditor: {users: [-1]}}", "no user", 0},
		{11, "roles: {auditor: {uids: [1]}}", "\"uids\"", 0},
		{12, "log: verbose", "log must be", 0},
		{12, "log: [info]", "log must be", 0},
		{12, "log: &a info", "anchor", 0},
		{12, "x", "not YAML", 13},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *c = NULL;
		struct config_problem problem = {.line = -1};
		int line = cases[i].other_line ? cases[i].other_line : cases[i].line;
		enum err e;

		e = read_with(cases[i].line, cases[i].instead, &c, &problem);
		if (e != ERR_CONFIG || problem.line != line ||
		    !strstr(problem.text, cases[i].words))
			print_error("%s: err %s, %d: %s\n", cases[i].instead, err_name(e),
				    problem.line, problem.text);
		assert_int_equal(e, ERR_CONFIG);
		assert_int_equal(problem.line, line);
		assert_non_null(strstr(problem.text, cases[i].words));
		assert_non_null(strstr(err_words(), "conf/node.yaml:"));
		assert_null(c);
	}
}

static void paths_start_at_the_file(void **state)
{
	static const char text[] =
		"{agency: spiffe://a.example/b, data: %s, socket: s, node_key: %s, last_signed: l, "
		"tls: {chain: a, key: k}, seal: {chain: b, key: j}, "
		"trust: [{domain: a.example, ca: c, crl: d}]}";
	static const struct {
		const char *file, *data, *key, *ret_data, *ret_key; /* NULL: refused */
	} cases[] = {
		{"node.yaml", "data", "key", "data", "key"},
		{"/etc/node.yaml", "data/", "./key", "/etc/data", "/etc/key"},
		{"/etc/node.yaml", "/var//x/./data/.", "../key", "/var/x/data", "/etc/../key"},
		{"/node.yaml", "data", "datakey", "/data", "/datakey"},
		{"./node.yaml", "./data", "key", "data", "key"},
		{"node.yaml", ".", "key", ".", NULL},
		{"node.yaml", "/", "/key", "/", NULL},
		{"/etc/node.yaml", "data", "/etc/data/key", "/etc/data", NULL},
		{"/etc/node.yaml", "data", "data//../data/./key", "/etc/data", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(config_freep) struct config *c = NULL;
		struct config_problem problem;
		char yaml[400];
		enum err e;

		(void)snprintf(yaml, sizeof(yaml), text, cases[i].data, cases[i].key);
		e = config_parse(cases[i].file, view_str(yaml), &c, &problem);
		if (!cases[i].ret_key) {
			assert_int_equal(e, ERR_CONFIG);
			assert_non_null(strstr(problem.text, "lies in"));
			continue;
		}
		assert_int_equal(e, ERR_OK);
		assert_string_equal(c->data.text, cases[i].ret_data);
		assert_string_equal(c->node_key.text, cases[i].ret_key);
	}
}

static void limits(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	CLEANUP(buf_fini) struct buf line;
	struct config *c = NULL;
	struct config_problem problem;

	(void)state;
	buf_init(&b, 0);
	buf_init(&line, 0);
	for (int i = 0; i <= CONFIG_BYTES_MAX / 8; i++)
		assert_int_equal(buf_put_str(&b, "# 345678"), ERR_OK);
	assert_int_equal(config_parse("x", buf_view(&b), &c, &problem), ERR_CONFIG);
	assert_non_null(strstr(problem.text, "longer than"));

	/* most peers: taken; one more: refused */
	for (int n = CONFIG_PEERS_MAX; n <= CONFIG_PEERS_MAX + 1; n++) {
		buf_clear(&line);
		assert_int_equal(buf_put_str(&line, "peers: ["), ERR_OK);
		for (int i = 0; i < n; i++)
			assert_int_equal(buf_printf(&line, "{id: spiffe://sk.example/p%d},", i),
					 ERR_OK);
		assert_int_equal(buf_put(&line, "]", 2), ERR_OK);
		assert_int_equal(read_with(10, (const char *)buf_data(&line), &c, &problem),
				 n == CONFIG_PEERS_MAX ? ERR_OK : ERR_CONFIG);
		config_free(c);
		c = NULL;
	}
	assert_non_null(strstr(problem.text, "more than 512"));

	/* the socket's path */
	for (int n = CONFIG_SOCKET_PATH_MAX; n <= CONFIG_SOCKET_PATH_MAX + 1; n++) {
		char text[200] = "socket: /";

		memset(text + strlen(text), 's', (size_t)n - 1);
		assert_int_equal(read_with(3, text, &c, &problem),
				 n == CONFIG_SOCKET_PATH_MAX ? ERR_OK : ERR_CONFIG);
		config_free(c);
		c = NULL;
	}
	assert_int_equal(problem.line, 3);
	assert_non_null(strstr(problem.text, "108 bytes"));
}

static void every_line_is_needed_or_not(void **state)
{
	(void)state;
	for (int line = 1; line <= (int)N_LINES; line++) {
		CLEANUP(config_freep) struct config *c = NULL;
		struct config_problem problem;
		bool is_needed = line <= 7 || line == 9;

		assert_int_equal(read_with(line, "", &c, &problem),
				 is_needed ? ERR_CONFIG : ERR_OK);
		if (is_needed)
			assert_non_null(strstr(problem.text, "is missing"));
	}
}

static void the_example_is_good(void **state)
{
	CLEANUP(config_freep) struct config *c = NULL;
	struct config_problem problem;
	enum err e = config_load(SOURCE_ROOT "/conf/amparod.yaml", &c, &problem);

	(void)state;
	if (e)
		print_error("%d: %s\n", problem.line, problem.text);
	assert_int_equal(e, ERR_OK);
	assert_int_equal(c->n_trust, 3);
	assert_int_equal(c->n_peer, 2);
}

static void role_names(void **state)
{
	(void)state;
	assert_string_equal(config_role_name(ROLE_CASEWORKER), "caseworker");
	assert_string_equal(config_role_name(ROLE_SUPERVISOR), "supervisor");
	assert_string_equal(config_role_name(ROLE_OPERATOR), "operator");
	assert_string_equal(config_role_name(ROLE_AUDITOR), "auditor");
	assert_string_equal(config_role_name(N_ROLES), "no role");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_read),
		cmocka_unit_test(limits_are_read),
		cmocka_unit_test(defaults),
		cmocka_unit_test(mistakes_are_told_with_their_line),
		cmocka_unit_test(paths_start_at_the_file),
		cmocka_unit_test(limits),
		cmocka_unit_test(every_line_is_needed_or_not),
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(role_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
