/* What is remembered of disclosures, by itself: byte for byte, so much, so long, and wiped. */
#include "node/disclosed.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/digest.h"

/* The linker sends the daemon's own allocations through these (--wrap). */
void *__real_malloc(size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void __wrap_free(void *p);

static bool fails;
static size_t n_live;			 /* may wrap below 0 */
static struct view not_in_what_is_freed; /* looked for when it is not empty */
static size_t n_found;

void *__wrap_malloc(size_t size)
{
	void *p = fails ? NULL : __real_malloc(size);

	n_live += p != NULL;
	return p;
}

void __wrap_free(void *p)
{
	const struct view v = not_in_what_is_freed;

	n_live -= p != NULL;
	if (p && v.n)
		n_found += memmem(p, malloc_usable_size(p), v.p, v.n) != NULL;
	__real_free(p);
}

struct given {
	struct disclosed_memo *m;
	uint8_t bytes[80];
	struct pb_opening o[2];
	struct pb_opening *list[2];
	struct disclosed_case c;
};

static void given_init(struct given *g)
{
	memset(g, 0, sizeof(*g));
	g->m = calloc(1, sizeof(*g->m));
	assert_non_null(g->m);
	for (size_t i = 0; i < sizeof(g->bytes); i++)
		g->bytes[i] = (uint8_t)(i / 2 + 1); /* each byte is like one neighbour */
	for (size_t i = 0; i < 2; i++) {
		g->o[i] = (struct pb_opening)PB_OPENING_INIT;
		g->o[i].has_salt = g->o[i].has_slice = 1;
		g->o[i].salt = message_borrow(view_of(g->bytes, 4));
		g->o[i].slice = message_borrow(view_of(g->bytes + 4, 4));
		g->list[i] = &g->o[i];
	}
	g->c = (struct disclosed_case){
		.disclosure = view_of(g->bytes, 20), .openings = g->list, .n_openings = 2};
}

static void given_fini(struct given *g)
{
	disclosed_forget(g->m);
	free(g->m);
}

/* Of manifest number @p i, the number its record's id too. */
static void number(struct given *g, unsigned i, uint8_t ret_id[RECORD_ID_BYTES])
{
	memset(ret_id, 0, RECORD_ID_BYTES);
	memcpy(ret_id, &i, sizeof(i));
	g->c.manifest = sha256_parts((struct view[]){view_of(&i, sizeof(i))}, 1);
}

static void add(struct given *g, unsigned i)
{
	struct disclosed_record record = {.seal = {.num = i}};

	number(g, i, record.id);
	assert_null(disclosed_find(g->m, &g->c));
	disclosed_add(g->m, &g->c, &record);
}

static bool is_kept(struct given *g, unsigned i)
{
	uint8_t id[RECORD_ID_BYTES];
	const struct disclosed_record *found;

	number(g, i, id);
	found = disclosed_find(g->m, &g->c);
	if (found) {
		assert_memory_equal(found->id, id, sizeof(id));
		assert_int_equal(found->seal.num, i);
	}
	return found != NULL;
}

/* --- the very same --- */

static void everything_that_is_checked_counts(void **state)
{
	struct given g;
	const struct disclosed_case *c = &g.c;

	(void)state;
	given_init(&g);
	add(&g, 1);
#define IS_ANOTHER(change, back)                                                                   \
	do {                                                                                       \
		change;                                                                            \
		assert_null(disclosed_find(g.m, c));                                               \
		back;                                                                              \
		assert_non_null(disclosed_find(g.m, c));                                           \
	} while (0)
	IS_ANOTHER(g.c.manifest.b[0] ^= 1, g.c.manifest.b[0] ^= 1);
	IS_ANOTHER(g.c.manifest.b[31] ^= 1, g.c.manifest.b[31] ^= 1);
	IS_ANOTHER(g.c.disclosure.n--, g.c.disclosure.n++);
	IS_ANOTHER(g.c.disclosure.n++, g.c.disclosure.n--);
	IS_ANOTHER(g.c.disclosure.p++, g.c.disclosure.p--);
	IS_ANOTHER(g.c.disclosure.n = 0, g.c.disclosure.n = 20);
	IS_ANOTHER(g.c.n_openings = 1, g.c.n_openings = 2);
	IS_ANOTHER(g.c.n_openings = 0, g.c.n_openings = 2);
	IS_ANOTHER(g.c.peer = 1, g.c.peer = 0); /* the same, brought by another */
	IS_ANOTHER(g.c.agreement.b[31] = 1, g.c.agreement.b[31] = 0);
	IS_ANOTHER(g.c.purpose = 1, g.c.purpose = 0);
	IS_ANOTHER(g.c.has_consent = true, g.c.has_consent = false);
	for (size_t i = 0; i < 2; i++) {
		IS_ANOTHER(g.o[i].salt.data++, g.o[i].salt.data--);
		IS_ANOTHER(g.o[i].slice.data++, g.o[i].slice.data--);
		IS_ANOTHER(g.o[i].slice.len++, g.o[i].slice.len--);
		IS_ANOTHER(g.o[i].salt.len--, g.o[i].salt.len++);
		IS_ANOTHER(g.o[i].has_salt = 0, g.o[i].has_salt = 1);
		/* the same bytes, in other parts */
		IS_ANOTHER((g.o[i].salt.len++, g.o[i].slice.data++, g.o[i].slice.len--),
			   (g.o[i].salt.len--, g.o[i].slice.data--, g.o[i].slice.len++));
	}
#undef IS_ANOTHER
	given_fini(&g);
}

static void without_any_opening(void **state)
{
	struct given g;

	(void)state;
	given_init(&g);
	g.c.n_openings = 0;
	add(&g, 1);
	assert_true(is_kept(&g, 1));
	g.c.disclosure.n = 0;
	add(&g, 1);
	assert_true(is_kept(&g, 1));
	g.c.disclosure.n = 20;
	assert_true(is_kept(&g, 1));
	given_fini(&g);
}

/* --- how many --- */

static void a_thousand_in_turn_all_stay(void **state)
{
	static uint8_t bytes[3000];
	struct given g;

	(void)state;
	given_init(&g);
	g.c.disclosure = view_of(bytes, sizeof(bytes));
	for (unsigned i = 0; i < 1000; i++)
		add(&g, i);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(is_kept(&g, i));
	assert_int_equal(g.m->n, 1000);
	given_fini(&g);
}

/* Manifests made so that their digests begin alike. */
static void a_bucket_keeps_the_newest(void **state)
{
	const struct disclosed_record record = {.seal = {.num = 1}};
	struct given g;

	(void)state;
	given_init(&g);
	add(&g, 1);
	g.c.manifest.b[0] ^= 1; /* the neighbour's */
	for (unsigned i = 0; i < DISCLOSED_WAYS + 2; i++) {
		g.c.manifest.b[31] = (uint8_t)i;
		disclosed_add(g.m, &g.c, &record);
	}
	assert_int_equal(g.m->n, 1 + DISCLOSED_WAYS);
	for (unsigned i = 0; i < DISCLOSED_WAYS + 2; i++) {
		g.c.manifest.b[31] = (uint8_t)i;
		assert_int_equal(disclosed_find(g.m, &g.c) != NULL, i >= 2);
	}
	assert_true(is_kept(&g, 1));
	given_fini(&g);
}

/* No more bytes than these, the openings' among them; the oldest goes first. */
static void so_many_bytes(void **state)
{
	static uint8_t bytes[64 << 10];
	struct given g;
	unsigned n = 0, first = 0;

	(void)state;
	given_init(&g);
	g.c.disclosure = view_of(bytes, sizeof(bytes) / 2);
	g.o[1].slice = message_borrow(view_of(bytes, sizeof(bytes) / 2));
	while (n < 3 * DISCLOSED_BYTES_MAX / sizeof(bytes)) {
		add(&g, n++);
		assert_true(g.m->n_bytes >= g.m->n * sizeof(bytes));
		assert_true(g.m->n_bytes <= DISCLOSED_BYTES_MAX);
	}
	assert_true(g.m->n_bytes + 2 * sizeof(bytes) > DISCLOSED_BYTES_MAX);
	while (!is_kept(&g, first))
		first++;
	assert_int_equal(n - first, g.m->n);
	for (unsigned i = first; i < n; i++)
		assert_true(is_kept(&g, i));
	given_fini(&g);
}

static void one_that_is_too_large(void **state)
{
	struct given g;
	uint8_t *bytes = calloc(1, DISCLOSED_BYTES_MAX);

	(void)state;
	assert_non_null(bytes);
	given_init(&g);
	add(&g, 1);
	g.c.disclosure = view_of(bytes, DISCLOSED_BYTES_MAX);
	add(&g, 2);
	assert_false(is_kept(&g, 2));
	g.c.disclosure = view_of(g.bytes, 20);
	assert_true(is_kept(&g, 1));
	given_fini(&g);
	free(bytes);
}

static void without_memory_it_is_not_kept(void **state)
{
	struct given g;

	(void)state;
	given_init(&g);
	add(&g, 1);
	fails = true;
	add(&g, 2);
	fails = false;
	assert_false(is_kept(&g, 2));
	assert_true(is_kept(&g, 1));
	add(&g, 2);
	assert_true(is_kept(&g, 2));
	given_fini(&g);
}

/* --- how long --- */

static void all_is_forgotten_and_wiped(void **state)
{
	const size_t live = n_live;
	struct given g;

	(void)state;
	given_init(&g);
	for (unsigned i = 0; i < 10; i++)
		add(&g, i);
	assert_int_equal(n_live, live + 10);
	not_in_what_is_freed = view_of(g.bytes + 12, 8); /* of the disclosure alone */
	disclosed_forget(g.m);
	not_in_what_is_freed = view_of(NULL, 0);
	assert_int_equal(n_found, 0);
	assert_int_equal(n_live, live);
	assert_int_equal(g.m->n, 0);
	assert_int_equal(g.m->n_bytes, 0);
	for (unsigned i = 0; i < 10; i++)
		assert_false(is_kept(&g, i));
	given_fini(&g);
}

static void when_none_was_looked_for_for_a_while(void **state)
{
	struct given g;
	uint64_t now = 1000000;

	(void)state;
	given_init(&g);
	disclosed_tick(g.m, now);
	assert_true(disclosed_deadline_ms(g.m) == UINT64_MAX);
	add(&g, 1);
	disclosed_tick(g.m, now += DISCLOSED_KEPT_MS);
	for (int i = 0; i < 3; i++) {
		assert_true(is_kept(&g, 1));
		disclosed_tick(g.m, now += DISCLOSED_KEPT_MS - 1);
	}
	assert_true(disclosed_deadline_ms(g.m) == now + DISCLOSED_KEPT_MS);
	disclosed_tick(g.m, now += DISCLOSED_KEPT_MS - 1);
	assert_int_equal(g.m->n, 1);
	disclosed_tick(g.m, now + 1);
	assert_int_equal(g.m->n, 0);
	assert_true(disclosed_deadline_ms(g.m) == UINT64_MAX);
	given_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_is_checked_counts),
		cmocka_unit_test(without_any_opening),
		cmocka_unit_test(a_thousand_in_turn_all_stay),
		cmocka_unit_test(a_bucket_keeps_the_newest),
		cmocka_unit_test(so_many_bytes),
		cmocka_unit_test(one_that_is_too_large),
		cmocka_unit_test(without_memory_it_is_not_kept),
		cmocka_unit_test(all_is_forgotten_and_wiped),
		cmocka_unit_test(when_none_was_looked_for_for_a_while),
	};

	return cmocka_run_group_tests_name("node/disclosed_memo", tests, NULL, NULL);
}
