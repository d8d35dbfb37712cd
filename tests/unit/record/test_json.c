/* Records as JSON: what people write, what they are told, what comes back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>

#include "record/derive.h"
#include "record/walk.h"
#include "shared.h"
#include "unit/record/records.h"
#include "wire/text.h"

#define VICTIM(rest) "{\"type\":\"VictimRecord\"," rest "}"
#define CASE(rest) "{\"type\":\"CaseRecord\"," rest "}"

static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};

static enum err read_text(const char *json)
{
	CLEANUP(buf_fini) struct buf out = {0};
	enum record_type type;
	enum err e = record_from_json(view_str(json), &type, &out);

	assert_true(e == ERR_OK || out.n == 0);
	return e;
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RECORDS; i++) {
		CLEANUP(record_fini) struct record r;
		CLEANUP(record_fini) struct record back;
		CLEANUP(buf_fini) struct buf json = {0};
		CLEANUP(buf_fini) struct buf again = {0};

		record_load(i, &r);
		assert_int_equal(record_to_json(r.type, buf_view(&r.bytes), &json), ERR_OK);
		assert_int_equal(buf_data(&json)[json.n - 1], '\n');
		record_of_json(buf_view(&json), &back);
		assert_int_equal(back.type, r.type);
		assert_true(view_eq(buf_view(&back.bytes), buf_view(&r.bytes)));
		assert_int_equal(record_to_json(back.type, buf_view(&back.bytes), &again), ERR_OK);
		assert_true(view_eq(buf_view(&json), buf_view(&again)));
	}
}

/* each slice alone, too: what a receiver holds may be any part */
static void test_parts_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RECORDS; i++) {
		CLEANUP(record_fini) struct record r;
		CLEANUP(slice_set_fini) struct slice_set s = {0};

		record_load(i, &r);
		assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
		for (size_t k = 0; k < s.n; k++) {
			CLEANUP(buf_fini) struct buf json = {0};
			CLEANUP(buf_fini) struct buf back = {0};
			const struct field *unit = s.slice[k].unit;
			enum record_type type;

			assert_int_equal(record_to_json(r.type, s.slice[k].bytes, &json), ERR_OK);
			/* a part of a date is no date that one could write */
			if (unit->parent && unit->parent->is_date &&
			    strcmp(unit->name, "year") != 0)
				continue;
			assert_int_equal(record_from_json(buf_view(&json), &type, &back), ERR_OK);
			assert_true(view_eq(buf_view(&back), s.slice[k].bytes));
		}
	}
}

static void test_written_form(void **state)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(buf_fini) struct buf json = {0};

	(void)state;
	record_of_text(
		CASE("\"case\":{\"victim_ids\":[\"000102030405060708090A0B0C0D0E0F\"],"
		     "\"risk_level\":\"high\",\"summary\":\"a \\\"b\\\" \\\\ \\u00e9 / ʻ\","
		     "\"protection_concerns\":[\"neglect\",\"missing\"]},"
		     "\"service\":[{\"implemented\":false},{\"implemented\":true,\"seq\":7}]"),
		&r);
	assert_int_equal(record_to_json(r.type, buf_view(&r.bytes), &json), ERR_OK);
	assert_int_equal(buf_put_u8(&json, 0), ERR_OK);
	assert_string_equal((char *)buf_data(&json),
			    "{\n"
			    "  \"type\": \"CaseRecord\",\n"
			    "  \"case\": {\n"
			    "    \"risk_level\": \"high\",\n"
			    "    \"protection_concerns\": [\n"
			    "      \"neglect\",\n"
			    "      \"missing\"\n"
			    "    ],\n"
			    "    \"summary\": \"a \\\"b\\\" \\\\ é / ʻ\",\n"
			    "    \"victim_ids\": [\n"
			    "      \"000102030405060708090a0b0c0d0e0f\"\n"
			    "    ]\n"
			    "  },\n"
			    "  \"service\": [\n"
			    "    {\n"
			    "      \"implemented\": false\n"
			    "    },\n"
			    "    {\n"
			    "      \"seq\": 7,\n"
			    "      \"implemented\": true\n"
			    "    }\n"
			    "  ]\n"
			    "}\n");
	buf_clear(&json);
	assert_int_equal(record_to_json(RECORD_VICTIM, view_of("", 0), &json), ERR_OK);
	assert_int_equal(buf_put_u8(&json, 0), ERR_OK);
	assert_string_equal((char *)buf_data(&json), "{\n  \"type\": \"VictimRecord\"\n}\n");
}

static void test_write_refuses(void **state)
{
	static const struct {
		const char *hex;
		enum err e;
	} cases[] = {
		{"12025003", ERR_INVALID},	     /* unknown enum */
		{"1200", ERR_INVALID},		     /* empty group */
		{"12025001ff", ERR_FORMAT},	     /* rubbish behind */
		{"1202500112025001", ERR_CANONICAL}, /* twice */
		{"12078201 0443 5a4501", ERR_TEXT},
	};
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	assert_int_equal(buf_put_str(&out, "kept"), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char hex[64];
		uint8_t bytes[32];
		size_t n = 0;

		for (const char *p = cases[i].hex; *p; p++)
			if (*p != ' ')
				hex[n++] = *p;
		hex[n] = '\0';
		assert_int_equal(hex_decode(hex, bytes, n / 2), ERR_OK);
		assert_int_equal(record_to_json(RECORD_VICTIM, view_of(bytes, n / 2), &out),
				 cases[i].e);
		assert_int_equal(out.n, 4);
	}
}

/* where a field occurs in an encoding, counted by its place in the table */
static void count_fields(enum record_type type, const struct field *parent, struct view in,
			 unsigned int *count)
{
	struct walk w = walk_begin(type, parent, in);
	struct item item;

	while (!walk_is_end(&w)) {
		assert_int_equal(walk_next(&w, &item), ERR_OK);
		count[item.field->index]++;
		if (item.field->kind == FIELD_MESSAGE)
			count_fields(type, item.field, item.at.value, count);
	}
}

static void test_templates_have_every_field(void **state)
{
	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		CLEANUP(buf_fini) struct buf json = {0};
		CLEANUP(record_fini) struct record r;
		unsigned int count[1024] = {0};

		assert_int_equal(record_template_json(types[t], &json), ERR_OK);
		record_of_json(buf_view(&json), &r);
		assert_int_equal(r.type, types[t]);
		count_fields(r.type, NULL, buf_view(&r.bytes), count);
		for (size_t i = 0; i < field_table_count(types[t]); i++) {
			const struct field *f = field_table_at(types[t], i);

			assert_int_equal(count[i], derive_makes(f) ? 0 : 1);
			/* "type" is the record's own key */
			assert_true(f->depth > 1 || strcmp(f->name, "type") != 0);
		}
		/* plainly synthetic: each free text says so */
		assert_int_equal(buf_put_u8(&json, 0), ERR_OK);
		assert_non_null(
			strstr((char *)buf_data(&json), "\"SYNTHETIC-1: Local reference\""));
		assert_non_null(strstr((char *)buf_data(&json), "SYNTHETIC-1: "));
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *json;
		const char *words;
	} cases[] = {
		/* the whole */
		{"", "line 1, column 0: '[' or '{' expected near end of file"},
		{"[]", "a record is an object {...}"},
		{"{}", "type: is missing: \"VictimRecord\" or \"CaseRecord\""},
		{"{\"type\":1}", "type: is missing: \"VictimRecord\" or \"CaseRecord\""},
		{"{\"type\":\"Victim\\u001b\"}",
		 "type: \"Victim?\" is no record type (one of: VictimRecord, CaseRecord)"},
		{"{\"type\":\"CaseRecord\"}", "no fields"},
		{"{\n\"type\": \"CaseRecord\",\n\n}",
		 "line 4, column 1: string or '}' expected near '}'"},
		{"{\"type\":\"CaseRecord\"} x", "line 1, column 23: end of file expected near 'x'"},
		{VICTIM("\"identity\":{\"sex\":\"male\",\"sex\":\"female\"}"),
		 "line 1, column 53: duplicate object key near '\"sex\"'"},
		/* keys */
		{VICTIM("\"idenity\":{}"), "idenity: no such field; did you mean \"identity\"?"},
		{VICTIM("\"_comment\":\"\""), "_comment: no such field"},
		{VICTIM("\"\":\"\""), ": no such field"},
		{VICTIM("\"identity\":{\"date_of_birth\":{\"years\":2012}}"),
		 "identity.date_of_birth.years: no such field; did you mean \"year\"?"},
		{VICTIM("\"identity\":{\"date_of_brith\":{\"year\":2012}}"),
		 "identity.date_of_brith: no such field; did you mean \"date_of_birth\"?"},
		{VICTIM("\"identity\":{\"sex\\u001b[2J\\u00e9\":1}"),
		 "identity.sex?[2J??: no such field"},
		{VICTIM("\"family_member\":[{\"alive\":true},{\"lives\":true}]"),
		 "family_member[1].lives: no such field; did you mean \"alive\"?"},
		{CASE("\"identity\":{\"sex\":\"male\"}"), "identity: no such field"},
		/* kinds */
		{VICTIM("\"identity\":[]"), "identity: should be an object {...}"},
		{VICTIM("\"identity\":null"), "identity: null is no value; leave the key out"},
		{VICTIM("\"identity\":{}"), "identity: is empty; leave the key out"},
		{VICTIM("\"family_member\":{}"), "family_member: should be a list [...]"},
		{VICTIM("\"family_member\":[]"), "family_member: is empty; leave the key out"},
		{VICTIM("\"family_member\":[{}]"), "family_member[0]: is empty; leave the key out"},
		{VICTIM("\"family_member\":[null]"),
		 "family_member[0]: null is no value; leave the key out"},
		{VICTIM("\"views\":{\"alone\":\"true\"}"), "views.alone: should be true or false"},
		{VICTIM("\"views\":{\"alone\":1}"), "views.alone: should be true or false"},
		{VICTIM("\"identity\":{\"sex\":1}"), "identity.sex: should be a code in quotes"},
		{VICTIM("\"description\":{\"height_cm\":\"158\"}"),
		 "description.height_cm: should be a whole number"},
		{VICTIM("\"description\":{\"height_cm\":158.0}"),
		 "description.height_cm: should be a whole number"},
		{VICTIM("\"description\":{\"height_cm\":-158}"),
		 "description.height_cm: is below zero"},
		{VICTIM("\"description\":{\"height_cm\":1e2}"),
		 "description.height_cm: should be a whole number"},
		{VICTIM("\"contact\":{\"email\":17}"), "contact.email: should be a text in quotes"},
		{VICTIM("\"family_member\":[{\"ref\":17}]"),
		 "family_member[0].ref: should be hexadecimal digits in quotes"},
		/* values */
		{VICTIM("\"identity\":{\"date_of_birth\":{\"year\":2012,\"month\":13}}"),
		 "identity.date_of_birth.month: 13 is no month"},
		{VICTIM("\"identity\":{\"date_of_birth\":{\"year\":2012,\"month\":6,\"day\":31}}"),
		 "identity.date_of_birth.day: 31 is no day of 2012-06"},
		{VICTIM("\"identity\":{\"date_of_birth\":{\"month\":6}}"),
		 "identity.date_of_birth.year: is missing"},
		{VICTIM("\"family_member\":[{\"alive\":true},{\"date_of_birth\":{\"year\":2012,"
			"\"day\":1}}]"),
		 "family_member[1].date_of_birth.month: is missing, yet there is a day"},
		{VICTIM("\"identity\":{\"date_of_birth\":{\"year\":12345678901234567890}}"),
		 "line 1, column 79: too big integer near '12345678901234567890'"},
		{VICTIM("\"identity\":{\"nationalities\":[\"CZE\",\"Czech\"]}"), NULL},
		{VICTIM("\"identity\":{\"nationalities\":[\"CZE\",\"\"]}"),
		 "identity.nationalities[1]: is empty"},
		{VICTIM("\"contact\":{\"phones\":[\"+420 555 010 101\"]}"),
		 "contact.phones[0]: \"+420 555 010 101\" is no telephone number of E.164, such as "
		 "+420123456789"},
		{VICTIM("\"safety\":{\"instructions\":\"one\\ntwo\"}"),
		 "safety.instructions: holds a line break, another control character or one that "
		 "changes the direction of writing"},
		{VICTIM("\"family_member\":[{\"ref\":\"01\"}]"),
		 "family_member[0].ref: 1 bytes are no reference of 8 bytes"},
		{VICTIM("\"family_member\":[{\"ref\":\"\"}]"),
		 "family_member[0].ref: 0 bytes are no reference of 8 bytes"},
		{VICTIM("\"family_member\":[{\"ref\":\"01020304050607zz\"}]"),
		 "family_member[0].ref: is not hexadecimal: pairs of 0-9 and a-f"},
		{VICTIM("\"family_member\":[{\"ref\":\"010\"}]"),
		 "family_member[0].ref: is not hexadecimal: pairs of 0-9 and a-f"},
	};
	size_t n_wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(read_text(cases[i].json), ERR_INVALID);
		if (!cases[i].words || strcmp(err_words(), cases[i].words) == 0)
			continue;
		n_wrong++;
		print_error("%s\n  says  %s\n  not   %s\n", cases[i].json, err_words(),
			    cases[i].words);
	}
	assert_int_equal(n_wrong, 0);
	assert_int_equal(read_text(VICTIM("\"family_member\":[{\"alive\":true},{\"alive\":true},"
					  "{\"relation\":\"granny\"}]")),
			 ERR_INVALID);
	assert_non_null(strstr(err_words(), "family_member[2].relation: \"granny\" is no "));
	assert_non_null(strstr(err_words(), "mother, father, "));
}

/* JSON that reaches a field through its parents, with a value of our choice in it */
static void json_at(const struct field *f, const char *value, struct buf *out)
{
	const struct field *chain[FIELD_DEPTH_MAX];
	size_t n = 0;

	for (const struct field *at = f; at; at = at->parent)
		chain[n++] = at;
	assert_int_equal(buf_printf(out, "{\"type\":\"%s\",", record_type_name(f->record_type)),
			 ERR_OK);
	for (size_t i = n; i-- > 0;)
		assert_int_equal(buf_printf(out, "\"%s\":%s%s", chain[i]->name,
					    chain[i]->is_repeated ? "[" : "", i ? "{" : value),
				 ERR_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_printf(out, "%s}", chain[i]->is_repeated ? "]" : ""), ERR_OK);
}

/* the message begins with the path, is whole and printable, for every field of both records */
static void check_message(const struct field *f, const char *value)
{
	CLEANUP(buf_fini) struct buf json = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	enum record_type type;
	const char *words;
	const char *path = f->path;

	json_at(f, value, &json);
	assert_int_equal(record_from_json(buf_view(&json), &type, &out), ERR_INVALID);
	assert_true(strlen(err_detail()) < ERR_DETAIL_MAX - 1); /* nothing was cut off */
	words = err_words();
	for (const char *p = words; *p; p++)
		assert_true(*p >= ' ' && *p <= '~');
	/* the same path, with indices */
	for (; *path; path++) {
		while (*words == '[')
			words = strchr(words, ']') + 1;
		assert_int_equal(*words, *path);
		words++;
	}
	while (*words == '[')
		words = strchr(words, ']') + 1;
	assert_memory_equal(words, ": ", 2);
}

static void test_message_of_every_field(void **state)
{
	static char long_text[20000];

	(void)state;
	memset(long_text, 'W', sizeof(long_text) - 1);
	long_text[0] = '"';
	long_text[sizeof(long_text) - 2] = '"';
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (size_t i = 0; i < field_table_count(types[t]); i++) {
			const struct field *f = field_table_at(types[t], i);

			check_message(f, "null");
			check_message(f, f->kind == FIELD_BOOL ? "17" : "true");
			check_message(f, "[]");
			check_message(f, f->kind == FIELD_UINT ? "9223372036854775807" : long_text);
		}
}

static void test_limits(void **state)
{
	CLEANUP(buf_fini) struct buf json = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	enum record_type type;

	(void)state;
	/* deep brackets never reach a recursion */
	for (size_t i = 0; i < 500000; i++)
		assert_int_equal(buf_put_u8(&json, i % 2 ? '[' : '{'), ERR_OK);
	assert_int_equal(record_from_json(buf_view(&json), &type, &out), ERR_INVALID);
	assert_string_equal(err_words(), "brackets stand more than 16 deep");
	/* brackets in texts do not count */
	assert_int_equal(
		read_text(VICTIM("\"views\":{\"wants\":\"\\\"[[[[[[[[[[[[[[[[[[[[{{{{{\"}")),
		ERR_OK);
	buf_clear(&json);
	for (size_t i = 0; i <= 1024 * 1024; i++)
		assert_int_equal(buf_put_u8(&json, ' '), ERR_OK);
	assert_int_equal(record_from_json(buf_view(&json), &type, &out), ERR_INVALID);
	assert_string_equal(err_words(), "file of 1048577 bytes, at most 1048576");
	/* too many elements */
	buf_clear(&json);
	assert_int_equal(buf_put_str(&json, "{\"type\":\"VictimRecord\",\"family_member\":["),
			 ERR_OK);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&json, "%s{\"alive\":true}", i ? "," : ""), ERR_OK);
	assert_int_equal(buf_put_str(&json, "]}"), ERR_OK);
	assert_int_equal(record_from_json(buf_view(&json), &type, &out), ERR_INVALID);
	assert_non_null(strstr(err_words(), "family_member: has 1000 elements, at most "));
	assert_int_equal(out.n, 0);
}

/* good JSON that would make a record over its limit */
static void test_too_large(void **state)
{
	CLEANUP(buf_fini) struct buf json = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	const struct field *f = field_table_find(RECORD_CASE, "alleged_offender.aliases");
	const struct field *top = field_table_find(RECORD_CASE, "alleged_offender");
	enum record_type type;

	(void)state;
	assert_int_equal(buf_put_str(&json, "{\"type\":\"CaseRecord\",\"alleged_offender\":["),
			 ERR_OK);
	for (size_t i = 0; i < top->max_count; i++) {
		assert_int_equal(
			buf_printf(&json, "%s{\"text\":\"%02000d\",\"aliases\":[", i ? "," : "", 1),
			ERR_OK);
		for (size_t k = 0; k < f->max_count; k++)
			assert_int_equal(
				buf_printf(&json,
					   "%s{\"text\":\"%0200d\",\"transliteration\":\"%0200d\"}",
					   k ? "," : "", 1, 1),
				ERR_OK);
		assert_int_equal(buf_put_str(&json, "]}"), ERR_OK);
	}
	assert_int_equal(buf_put_str(&json, "],\"service\":["), ERR_OK);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(buf_printf(&json, "%s{\"text\":\"%01000d\"}", i ? "," : "", 1),
				 ERR_OK);
	assert_int_equal(buf_put_str(&json, "],\"outcome\":{\"follow_up\":["), ERR_OK);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(buf_printf(&json, "%s{\"text\":\"%02000d\"}", i ? "," : "", 1),
				 ERR_OK);
	assert_int_equal(buf_put_str(&json, "]}}"), ERR_OK);
	assert_int_equal(record_from_json(buf_view(&json), &type, &out), ERR_INVALID);
	assert_non_null(strstr(err_words(), "at most 196608"));
	assert_int_equal(out.n, 0);
}

static void check_naughty(const char *text, size_t n_bytes)
{
	json_t *root = json_pack("{s:s, s:{s:{s:o}}}", "type", "VictimRecord", "identity",
				 "nickname", "text", json_stringn(text, n_bytes));
	char *json = json_dumps(root, JSON_ENSURE_ASCII);
	CLEANUP(buf_fini) struct buf record = {0};
	CLEANUP(buf_fini) struct buf back = {0};
	CLEANUP(buf_fini) struct buf again = {0};
	enum record_type type;
	enum err e;

	assert_non_null(json);
	e = record_from_json(view_str(json), &type, &record);
	if (!e) {
		/* as written, byte by byte, at the end of the record */
		assert_true(record.n > n_bytes);
		assert_memory_equal(buf_data(&record) + record.n - n_bytes, text, n_bytes);
		assert_int_equal(record_to_json(type, buf_view(&record), &back), ERR_OK);
		assert_int_equal(record_from_json(buf_view(&back), &type, &again), ERR_OK);
		assert_true(view_eq(buf_view(&record), buf_view(&again)));
	} else {
		assert_int_equal(e, ERR_INVALID);
		assert_true(n_bytes == 0 || n_bytes > 200 ||
			    !text_is_valid(view_of(text, n_bytes)));
		for (const char *p = err_words(); *p; p++)
			assert_true(*p >= ' ' && *p <= '~');
	}
	free(json);
	json_decref(root);
}

static void test_naughty_strings(void **state)
{
	char path[1024];
	json_t *all;

	(void)state;
	if (!shared_path("vectors/naughty/blns.json", path, sizeof(path)))
		skip();
	all = json_load_file(path, 0, NULL);
	assert_non_null(all);
	assert_int_equal(json_array_size(all), 515);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *text = json_array_get(all, i);

		check_naughty(json_string_value(text), json_string_length(text));
	}
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_parts_round_trip),
		cmocka_unit_test(test_written_form),
		cmocka_unit_test(test_write_refuses),
		cmocka_unit_test(test_templates_have_every_field),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_message_of_every_field),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_naughty_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
