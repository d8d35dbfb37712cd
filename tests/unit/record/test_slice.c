/* Slices: cut, check, join; what a hostile sender makes of them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/walk.h"
#include "unit/record/records.h"

static void views_of(const struct slice_set *s, struct view *ret)
{
	for (size_t i = 0; i < s->n; i++)
		ret[i] = s->slice[i].bytes;
}

static void assert_same(struct view a, struct view b)
{
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
}

/* the walk steps forward through siblings only: their numbers must ascend */
static void test_table_is_in_order_of_numbers(void **state)
{
	static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};

	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		for (size_t i = 0; i <= field_table_count(types[t]); i++) {
			const struct field *parent = i ? field_table_at(types[t], i - 1) : NULL;
			const struct field *field = NULL;
			uint32_t last = 0;

			while ((field = field_table_next(types[t], parent, field))) {
				assert_true(field->numbers[field->depth - 1] > last);
				last = field->numbers[field->depth - 1];
			}
		}
	}
}

static void test_cut_and_join(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RECORDS; i++) {
		CLEANUP(record_fini) struct record r;
		CLEANUP(slice_set_fini) struct slice_set s = {0};
		CLEANUP(buf_fini) struct buf joined = {0};
		struct view view[SLICES_MAX];

		record_load(i, &r);
		assert_int_equal(message_opinion(r.type, buf_view(&r.bytes)), ERR_OK);
		assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
		assert_int_equal(s.type, r.type);
		assert_true(s.n > 8);
		for (size_t k = 0; k < s.n; k++) {
			const struct field *unit;

			assert_int_equal(slice_check(r.type, s.slice[k].bytes, &unit), ERR_OK);
			assert_ptr_equal(unit, s.slice[k].unit);
			assert_int_equal(message_opinion(r.type, s.slice[k].bytes), ERR_OK);
			assert_true(k == 0 || unit->unit_index >= s.slice[k - 1].unit->unit_index);
		}
		views_of(&s, view);
		assert_int_equal(buf_put_str(&joined, "before"), ERR_OK);
		assert_int_equal(record_join(r.type, view, s.n, &joined), ERR_OK);
		buf_consume(&joined, 6);
		assert_same(buf_view(&joined), buf_view(&r.bytes));
	}
}

/* elements go by their slice bytes, whose lengths are in base 128: 128 stands before 127 + 1 more
 */
static void test_elements_in_order_of_slices(void **state)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	size_t n_runs = 0;

	(void)state;
	record_load(3, &r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
	for (size_t i = 1; i < s.n; i++) {
		struct view a = s.slice[i - 1].bytes;
		struct view b = s.slice[i].bytes;
		int order;

		if (s.slice[i].unit != s.slice[i - 1].unit)
			continue;
		n_runs++;
		order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
		assert_true(order < 0 || (order == 0 && a.n <= b.n));
	}
	assert_int_equal(n_runs, 3 + 2 + 1 + 1 + 1 + 1);
}

static void test_all_subsets_of_a_small_record(void **state)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};

	(void)state;
	record_of_text(
		"{\"type\":\"VictimRecord\",\"identity\":{\"sex\":\"female\",\"nationalities\":"
		"[\"CZE\",\"SVK\"],\"date_of_birth\":{\"year\":2012,\"month\":5,\"day\":31},"
		"\"nickname\":{\"text\":\"S\"}},\"contact\":{\"phones\":[\"+420555010101\"],"
		"\"current_address\":{\"country\":\"CZE\",\"street\":\"S 1\"}},"
		"\"family_member\":[{\"alive\":false}]}",
		&r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
	assert_int_equal(s.n, 11);
	for (unsigned int mask = 1; mask < 1u << 11; mask++) {
		CLEANUP(buf_fini) struct buf forward = {0};
		CLEANUP(buf_fini) struct buf backward = {0};
		struct view a[11];
		struct view b[11];
		size_t n = 0;

		for (size_t i = 0; i < s.n; i++)
			if (mask & 1u << i)
				a[n++] = s.slice[i].bytes;
		for (size_t i = 0; i < n; i++)
			b[i] = a[n - 1 - i];
		assert_int_equal(record_join(r.type, a, n, &forward), ERR_OK);
		assert_int_equal(record_join(r.type, b, n, &backward), ERR_OK);
		assert_same(buf_view(&forward), buf_view(&backward));
		assert_int_equal(message_opinion(r.type, buf_view(&forward)), ERR_OK);
	}
}

static void test_random_subsets(void **state)
{
	uint64_t seed = 20240117;

	(void)state;
	for (size_t i = 0; i < N_RECORDS; i++) {
		CLEANUP(record_fini) struct record r;
		CLEANUP(slice_set_fini) struct slice_set s = {0};

		record_load(i, &r);
		assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
		for (size_t round = 0; round < 200; round++) {
			CLEANUP(buf_fini) struct buf joined = {0};
			CLEANUP(buf_fini) struct buf json = {0};
			struct view view[SLICES_MAX];
			size_t n_bytes = 0;
			size_t n = 0;

			for (size_t k = 0; k < s.n; k++) {
				if (next_random(&seed) & 1)
					continue;
				view[n] = view[n / 2];
				view[n / 2] = s.slice[k].bytes;
				n_bytes += s.slice[k].bytes.n;
				n++;
			}
			assert_int_equal(record_join(r.type, view, n, &joined), ERR_OK);
			assert_true(joined.n <= n_bytes);
			assert_int_equal(message_opinion(r.type, buf_view(&joined)), ERR_OK);
			assert_int_equal(record_to_json(r.type, buf_view(&joined), &json), ERR_OK);
		}
	}
}

/* a changed slice is refused, or it is another good slice: never the same commitment, never
 * malleable */
static void check_mutant(enum record_type type, struct view v, size_t *n_accepted)
{
	const struct field *unit = NULL;
	CLEANUP(buf_fini) struct buf joined = {0};
	enum err e = slice_check(type, v, &unit);

	if (e) {
		assert_true(e == ERR_FORMAT || e == ERR_CANONICAL || e == ERR_TEXT ||
			    e == ERR_INVALID);
		assert_null(unit);
		return;
	}
	(*n_accepted)++;
	/* Joined alone it is itself: there is one encoding of what it says. */
	assert_int_equal(record_join(type, &v, 1, &joined), ERR_OK);
	assert_same(buf_view(&joined), v);
	if (*n_accepted % 16 == 0)
		assert_int_equal(message_opinion(type, v), ERR_OK);
}

static void mutate(enum record_type type, struct view slice, size_t *n_accepted)
{
	uint8_t *bytes = malloc(slice.n + 1);

	assert_non_null(bytes);
	for (size_t at = 0; at < slice.n; at++) {
		memcpy(bytes, slice.p, slice.n);
		for (unsigned int x = 1; x < 256; x++) {
			bytes[at] = (uint8_t)(slice.p[at] ^ x);
			check_mutant(type, view_of(bytes, slice.n), n_accepted);
		}
		memcpy(bytes + at, slice.p + at + 1, slice.n - at - 1);
		check_mutant(type, view_of(bytes, slice.n - 1), n_accepted);
	}
	for (size_t at = 0; at <= slice.n; at++) {
		static const uint8_t inserted[] = {0x00, 0x01, 0x08, 0x0a, 0x80, 0xff};

		for (size_t k = 0; k < sizeof(inserted); k++) {
			memcpy(bytes, slice.p, at);
			bytes[at] = inserted[k];
			memcpy(bytes + at + 1, slice.p + at, slice.n - at);
			check_mutant(type, view_of(bytes, slice.n + 1), n_accepted);
		}
	}
	free(bytes);
}

static void test_every_one_byte_mutation(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		CLEANUP(record_fini) struct record r;
		CLEANUP(slice_set_fini) struct slice_set s = {0};
		size_t n_accepted = 0;

		record_load(i, &r);
		assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
		for (size_t k = 0; k < s.n; k++)
			mutate(r.type, s.slice[k].bytes, &n_accepted);
		assert_true(n_accepted > 0);
	}
}

/* Field numbers: identity 2 {given_names 1 {text 1}, family_names 2, sex 10, date_of_birth 11 {year
 * 1, month 2}, nationalities 16}, family_member 6 {ref 1, relation 2, name 3 {text 1}}, views 13
 * {alone 13}. */
static void test_malicious_slices(void **state)
{
	static const struct {
		const char *hex;
		enum err e;
		const char *why;
	} cases[] = {
		{"12025001", ERR_OK, "identity.sex male"},
		{"12055a0308dc", ERR_FORMAT, "group longer than the slice"},
		{"12045a0208dc0f", ERR_CANONICAL, "group shorter than its leaf"},
		{"12065a0408dc0f", ERR_FORMAT, "both groups longer than the slice"},
		{"12055a0308dc0f", ERR_OK, "date_of_birth.year 2012"},
		{"", ERR_INVALID, "nothing"},
		{"1200", ERR_INVALID, "empty parent"},
		{"12025a00", ERR_INVALID, "empty inner parent"},
		{"3200", ERR_INVALID, "empty element"},
		{"120450015001", ERR_CANONICAL, "singular leaf twice"},
		{"1202500112025001", ERR_CANONICAL, "two slices in one"},
		{"120750015a0308dc0f", ERR_CANONICAL, "two leaves in one group"},
		{"12075a0508dc0f1005", ERR_CANONICAL, "two leaves of one date"},
		{"12075a0308dc0f5001", ERR_CANONICAL, "wrong order"},
		{"1202500100", ERR_CANONICAL, "trailing byte"},
		{"120250010a", ERR_CANONICAL, "trailing tag"},
		{"1203500100", ERR_CANONICAL, "trailing byte in the group"},
		{"1203508100", ERR_CANONICAL, "value not in shortest form"},
		{"1282005001", ERR_CANONICAL, "length not in shortest form"},
		{"9200025001", ERR_CANONICAL, "tag not in shortest form"},
		{"12025000", ERR_INVALID, "enum 0"},
		{"12025003", ERR_INVALID, "unknown enum value"},
		{"120350ff01", ERR_INVALID, "unknown enum value of two bytes"},
		{"120b50ffffffffffffffffff01", ERR_INVALID, "enum -1"},
		{"1206508180808010", ERR_INVALID, "enum 2^32 + 1"},
		{"1203509a05", ERR_INVALID, "enum 666"},
		{"1203520101", ERR_FORMAT, "leaf of another wire type"},
		{"1001", ERR_FORMAT, "group of another wire type"},
		{"1302500114", ERR_FORMAT, "protobuf group"},
		{"a206025001", ERR_CANONICAL, "unknown field at the top"},
		{"12039001", ERR_FORMAT, "cut short"},
		{"1203900101", ERR_CANONICAL, "unknown field in a group"},
		{"12055a0308d80e", ERR_INVALID, "year 1880"},
		{"12045a021000", ERR_INVALID, "month 0"},
		{"12045a02100d", ERR_INVALID, "month 13"},
		{"12055a03108100", ERR_CANONICAL, "month 1 in two bytes"},
		{"6a026802", ERR_CANONICAL, "bool 2"},
		{"6a026800", ERR_OK, "views.alone false"},
		{"1206820103435a45", ERR_OK, "nationality CZE"},
		{"1206820103435a5a", ERR_INVALID, "no nationality"},
		{"1203820100", ERR_INVALID, "empty nationality"},
		{"1207820104435a4501", ERR_TEXT, "control character"},
		{"120682010343ff45", ERR_TEXT, "no UTF-8"},
		{"120c820103435a4582010353564b", ERR_CANONICAL, "two elements"},
		{"32021001", ERR_OK, "family_member relation mother"},
		{"3202100132021002", ERR_CANONICAL, "two elements of a group"},
		{"320410011002", ERR_CANONICAL, "element with a field twice"},
		{"32021a00", ERR_INVALID, "element with an empty message inside"},
		{"320710010a03010203", ERR_CANONICAL, "element out of order"},
		{"32050a03010203", ERR_INVALID, "ref of three bytes"},
		{"320a0a080102030405060708", ERR_OK, "element with a ref alone"},
		{"32051a030a0141", ERR_OK, "element with a name"},
		{"32081a030a01413a0143", ERR_FORMAT, "inner lengths do not fit"},
		{"32081a060a01410a0142", ERR_CANONICAL, "element's name with two texts"},
		{"32031a0110", ERR_FORMAT, "nested cut short"},
		{"3204a2060541", ERR_FORMAT, "unknown field of an element, cut short"},
		{"3204a2060141", ERR_CANONICAL, "unknown field of an element"},
	};
	size_t n_wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].hex) / 2;
		const struct field *unit;
		uint8_t bytes[64];
		enum err e;

		assert_int_equal(hex_decode(cases[i].hex, bytes, n), ERR_OK);
		e = slice_check(RECORD_VICTIM, view_of(bytes, n), &unit);
		if (e == cases[i].e)
			continue;
		n_wrong++;
		print_error("%s: %s, not %s (%s)\n", cases[i].why, err_name(e),
			    err_name(cases[i].e), err_words());
	}
	assert_int_equal(n_wrong, 0);
}

static void test_join_refuses(void **state)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	CLEANUP(freep) struct view *many = calloc(SLICES_MAX + 1, sizeof(*many));
	static const uint8_t other_sex[] = {0x12, 0x02, 0x50, 0x02};
	static const uint8_t sex[] = {0x12, 0x02, 0x50, 0x01};
	static const uint8_t nationality[] = {0x12, 0x06, 0x82, 0x01, 0x03, 'C', 'Z', 'E'};
	const struct view twice[] = {view_of(sex, 4), view_of(other_sex, 4)};
	const struct view same[] = {view_of(sex, 4), view_of(sex, 4)};
	const struct field *unit;

	(void)state;
	assert_non_null(many);
	assert_int_equal(record_join(RECORD_VICTIM, twice, 2, &out), ERR_INVALID);
	assert_int_equal(record_join(RECORD_VICTIM, same, 2, &out), ERR_INVALID);
	assert_int_equal(out.n, 0);
	assert_int_equal(record_join(RECORD_VICTIM, NULL, 0, &out), ERR_OK);
	assert_int_equal(out.n, 0);

	for (size_t i = 0; i <= SLICES_MAX; i++)
		many[i] = view_of(nationality, sizeof(nationality));
	assert_int_equal(slice_check(RECORD_VICTIM, many[0], &unit), ERR_OK);
	assert_int_equal(record_join(RECORD_VICTIM, many, unit->max_count, &out), ERR_OK);
	assert_int_equal(message_opinion(RECORD_VICTIM, buf_view(&out)), ERR_OK);
	assert_int_equal(record_cut(RECORD_VICTIM, buf_view(&out), &s), ERR_OK);
	buf_clear(&out);
	assert_int_equal(record_join(RECORD_VICTIM, many, unit->max_count + 1u, &out), ERR_INVALID);
	assert_int_equal(record_join(RECORD_VICTIM, many, SLICES_MAX, &out), ERR_INVALID);
	assert_int_equal(record_join(RECORD_VICTIM, many, SLICES_MAX + 1, &out), ERR_LIMIT);
	assert_int_equal(out.n, 0);

	/* another record type's slices do not open, or are not of it */
	record_load(2, &r);
	many[0] = buf_view(&r.bytes);
	assert_int_equal(record_join(RECORD_CASE, many, 1, &out), ERR_CANONICAL);
	assert_int_equal(out.n, 0);
}

/* the largest value of each field, as many elements as the schema allows */
static void put_largest(enum record_type type, const struct field *parent, size_t n_most,
			struct buf *out)
{
	static uint8_t bytes[16384];
	const struct field *f = NULL;

	memset(bytes, 'x', sizeof(bytes));
	while ((f = field_table_next(type, parent, f))) {
		size_t n = f->max_count < n_most ? f->max_count : n_most;
		uint32_t number = f->numbers[f->depth - 1];

		if (f->codes || f->kind == FIELD_UINT || f->kind == FIELD_ENUM ||
		    f->kind == FIELD_BOOL)
			continue;
		for (size_t i = 0; i < n; i++) {
			CLEANUP(buf_fini) struct buf inside = {0};

			if (f->kind != FIELD_MESSAGE) {
				assert_true(f->max_bytes <= sizeof(bytes));
				assert_int_equal(
					wire_put_bytes(out, number, view_of(bytes, f->max_bytes)),
					ERR_OK);
				continue;
			}
			put_largest(type, f, n_most, &inside);
			if (inside.n)
				assert_int_equal(wire_put_bytes(out, number, buf_view(&inside)),
						 ERR_OK);
		}
	}
}

static void test_size_limits(void **state)
{
	CLEANUP(buf_fini) struct buf largest = {0};
	CLEANUP(buf_fini) struct buf fits = {0};
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	const struct field *unit;

	(void)state;
	put_largest(RECORD_CASE, NULL, SIZE_MAX, &largest);
	assert_true(largest.n > RECORD_BYTES_MAX);
	assert_int_equal(record_cut(RECORD_CASE, buf_view(&largest), &s), ERR_LIMIT);
	assert_null(s.slice);
	assert_int_equal(slice_check(RECORD_CASE, buf_view(&largest), &unit), ERR_LIMIT);
	put_largest(RECORD_CASE, NULL, 8, &fits);
	assert_true(fits.n <= RECORD_BYTES_MAX);
	assert_int_equal(record_cut(RECORD_CASE, buf_view(&fits), &s), ERR_OK);

	/* the same in slices, good each for itself: together they are over the limit */
	CLEANUP(buf_fini) struct buf joined = {0};
	CLEANUP(freep) struct view *view = calloc(2 * s.n, sizeof(*view));
	size_t n = 0;

	assert_non_null(view);
	for (size_t i = 0; i < s.n; i++) {
		view[n++] = s.slice[i].bytes;
		if (s.slice[i].unit->max_count >= 16)
			view[n++] = s.slice[i].bytes;
	}
	assert_int_equal(record_join(RECORD_CASE, view, n, &joined), ERR_LIMIT);
	assert_int_equal(joined.n, 0);
}

/* one more element than the schema allows, and no more slices than a manifest holds */
static void test_count_limits(void **state)
{
	static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};

	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		size_t n_most = 0;

		for (size_t i = 0; i < field_table_n_units(types[t]); i++)
			n_most += field_table_unit(types[t], i)->max_count;
		/* then SLICES_MAX is a limit that the schema itself keeps */
		assert_true(n_most <= SLICES_MAX);
	}
}

static void test_cut_refuses(void **state)
{
	static const struct {
		const char *hex;
		enum err e;
		const char *words;
	} cases[] = {
		{"", ERR_INVALID, "record: is empty"},
		{"1200", ERR_INVALID, "identity: is empty"},
		{"12025a00", ERR_INVALID, "identity.date_of_birth: is empty"},
		{"12025003", ERR_INVALID, NULL},
		{"12045a02100d", ERR_INVALID, "identity.date_of_birth.month: is no month"},
		{"12045a021005", ERR_INVALID,
		 "identity.date_of_birth.year: does not fit the rest of the date"},
		{"12095a0708dc0f1002181f", ERR_INVALID,
		 "identity.date_of_birth.day: does not fit the rest of the date"},
		{"32042a021005", ERR_INVALID,
		 "family_member.date_of_birth.year: does not fit the rest of the date"},
		{"1202500212025001", ERR_CANONICAL, "identity: twice"},
		{"0a001200", ERR_INVALID, "routing: is empty"},
		{"12025001ff", ERR_FORMAT, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(slice_set_fini) struct slice_set s = {0};
		uint8_t bytes[64];
		size_t n = strlen(cases[i].hex) / 2;

		assert_int_equal(hex_decode(cases[i].hex, bytes, n), ERR_OK);
		assert_int_equal(record_cut(RECORD_VICTIM, view_of(bytes, n), &s), cases[i].e);
		if (cases[i].words)
			assert_string_equal(err_words(), cases[i].words);
		assert_int_equal(s.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_in_order_of_numbers),
		cmocka_unit_test(test_cut_and_join),
		cmocka_unit_test(test_elements_in_order_of_slices),
		cmocka_unit_test(test_all_subsets_of_a_small_record),
		cmocka_unit_test(test_random_subsets),
		cmocka_unit_test(test_every_one_byte_mutation),
		cmocka_unit_test(test_malicious_slices),
		cmocka_unit_test(test_join_refuses),
		cmocka_unit_test(test_size_limits),
		cmocka_unit_test(test_count_limits),
		cmocka_unit_test(test_cut_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
