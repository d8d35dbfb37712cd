/* Roles of local users, by uid and by every group. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "vault/account.h"

static uint32_t clerks[] = {100, 101}, clerk_groups[] = {1000}, root[] = {0}, auditors[] = {3000};
static char caseworker[] = "caseworker", supervisor[] = "supervisor", operator[] = "operator",
	    auditor[] = "auditor", unknown[] = "janitor";

static struct pb_role_setup setup[5];
static struct pb_role_setup *role[5];

static void fill(size_t i, char *name, uint32_t *uids, size_t n_uids, uint32_t *gids, size_t n_gids)
{
	setup[i] = (struct pb_role_setup)PB_ROLE_SETUP_INIT;
	setup[i].role = name;
	setup[i].uids = uids;
	setup[i].n_uids = n_uids;
	setup[i].gids = gids;
	setup[i].n_gids = n_gids;
	role[i] = &setup[i];
}

static int fill_all(void **state)
{
	(void)state;
	fill(0, caseworker, clerks, 2, clerk_groups, 1);
	fill(1, supervisor, clerks, 1, NULL, 0);
	fill(2, operator, root, 1, NULL, 0);
	fill(3, auditor, NULL, 0, auditors, 1);
	fill(4, unknown, clerks, 2, clerk_groups, 1);
	return 0;
}

static void test_roles(void **state)
{
	static const struct {
		uint32_t uid;
		uint32_t gid[3];
		size_t n_gid;
		uint32_t expected;
	} cases[] = {
		{100, {1}, 1, NODE_ROLE_CASEWORKER | NODE_ROLE_SUPERVISOR},
		{101, {1}, 1, NODE_ROLE_CASEWORKER},
		{102, {1}, 1, 0},
		{102, {1000}, 1, NODE_ROLE_CASEWORKER},
		{102, {1, 2, 3000}, 3, NODE_ROLE_AUDITOR},
		{100,
		 {1, 1000, 3000},
		 3,
		 NODE_ROLE_CASEWORKER | NODE_ROLE_SUPERVISOR | NODE_ROLE_AUDITOR},
		{0, {0}, 1, NODE_ROLE_OPERATOR},
		/* A uid is no gid. */
		{1000, {100}, 1, 0},
		{3000, {0}, 1, 0},
		{102, {0}, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(account_roles(role, 5, cases[i].uid, cases[i].gid, cases[i].n_gid),
				 cases[i].expected);
	assert_int_equal(account_roles(NULL, 0, 0, NULL, 0), 0);
}

static void test_of_a_socket(void **state)
{
	uint32_t self[] = {getuid()};
	const struct passwd *entry = getpwuid(getuid());
	struct node_caller caller = {.id = 7};
	int fd[2];

	(void)state;
	fill(2, operator, self, 1, NULL, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(account_of(fd[0], role, 5, &caller), ERR_OK);
	assert_int_equal(caller.id, 7);
	assert_int_equal(caller.uid, getuid());
	assert_true(caller.roles & NODE_ROLE_OPERATOR);
	if (entry)
		assert_string_equal(caller.person, entry->pw_name);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static void test_of_no_socket(void **state)
{
	struct node_caller caller = {0};

	(void)state;
	assert_int_equal(account_of(-1, role, 5, &caller), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_of_a_socket),
		cmocka_unit_test(test_of_no_socket),
	};

	return cmocka_run_group_tests(tests, fill_all, NULL);
}
