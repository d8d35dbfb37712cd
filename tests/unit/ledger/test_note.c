/* Signed notes: every case of the C2SP and Go vectors, then our own limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypto/digest.h"
#include "unit/ledger/vectors.h"

#define KEYS_MAX 4

/* the word of the vectors for what we make of a note */
static const char *judge(struct view in, const struct vkey *keys, size_t n_keys, struct note *note)
{
	struct note_verifier verifiers[KEYS_MAX];
	size_t n_verified;

	for (size_t i = 0; i < n_keys; i++)
		verifiers[i] = (struct note_verifier){.name = keys[i].name, .key = keys[i].key};
	if (note_parse(in, note))
		return "malformed";
	switch ((int)note_verify(note, verifiers, n_keys, &n_verified)) {
	case ERR_OK:
		return n_verified ? "ok" : "unverified";
	case ERR_INVALID:
		return "ambiguous";
	case ERR_SIGNATURE:
		return "invalid-signature";
	default:
		return "another error";
	}
}

/* names of the signatures, verified or not, as the vectors list them: a line twice counts once */
static void check_names(const struct note *note, bool verified, const json_t *want)
{
	size_t n = 0;

	for (size_t i = 0; i < note->n_signatures; i++) {
		const struct note_signature *sig = &note->signature[i];
		bool is_double = false;

		for (size_t j = 0; j < i; j++) {
			const struct note_signature *before = &note->signature[j];

			is_double |= view_eq(before->name, sig->name) &&
				     (verified || view_eq(before->base64, sig->base64));
		}
		if (sig->is_verified != verified || is_double)
			continue;
		assert_true(n < json_array_size(want));
		assert_true(
			view_eq(sig->name, view_str(json_string_value(json_array_get(want, n)))));
		n++;
	}
	assert_int_equal(n, json_array_size(want));
}

static void test_vectors(void **state)
{
	char path[512];
	json_t *vectors, *cases;

	(void)state;
	if (!vectors_path("c2sp-signed-note/note_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	cases = json_object_get(vectors, "cases");
	assert_int_equal(json_array_size(cases), 16);
	for (size_t i = 0; i < json_array_size(cases); i++) {
		CLEANUP(buf_fini) struct buf bytes = {0};
		const json_t *c = json_array_get(cases, i);
		const json_t *vkeys = json_object_get(c, "vkeys");
		struct vkey keys[KEYS_MAX];
		struct note note = {0};
		const char *got;

		vector_base64(vector_text(c, "note_b64"), &bytes);
		assert_true(json_array_size(vkeys) <= KEYS_MAX);
		for (size_t k = 0; k < json_array_size(vkeys); k++)
			assert_int_equal(
				vkey_parse(json_string_value(json_array_get(vkeys, k)), &keys[k]),
				ERR_OK);
		got = judge(buf_view(&bytes), keys, json_array_size(vkeys), &note);
		if (strcmp(got, vector_text(c, "expect")) != 0)
			fail_msg("%s: %s", vector_text(c, "desc"), got);
		if (strcmp(got, "ok") == 0 || strcmp(got, "unverified") == 0) {
			check_names(&note, true, json_object_get(c, "verified"));
			check_names(&note, false, json_object_get(c, "unverified"));
		}
		for (size_t k = 0; k < json_array_size(vkeys); k++)
			verify_key_free(keys[k].key);
	}
	json_decref(vectors);
}

static void test_vector_signing(void **state)
{
	char path[512];
	CLEANUP(buf_fini) struct buf seed = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	CLEANUP(seal_key_freep) struct seal_key *key = NULL;
	json_t *vectors, *signing;
	const char *skey;

	(void)state;
	if (!vectors_path("c2sp-signed-note/note_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	signing = json_object_get(vectors, "signing");
	/* PRIVATE+KEY+name+id+base64 of type 0x01 and the seed */
	skey = vector_text(signing, "skey");
	for (int plus = 0; plus < 4; plus++)
		skey = strchr(skey, '+') + 1;
	vector_base64(skey, &seed);
	assert_int_equal(seed.n, 33);
	assert_int_equal(seal_key_from_seed(buf_data(&seed) + 1, &key), ERR_OK);
	assert_int_equal(
		note_sign(view_str(vector_text(signing, "text")), "PeterNeumann", key, &out),
		ERR_OK);
	assert_true(view_eq(buf_view(&out), view_str(vector_text(signing, "signed_note"))));
	json_decref(vectors);
}

/* key ids: our own hash gives the one in each good vkey, so no cut or changed one passes */
static void test_vector_vkeys(void **state)
{
	char path[512];
	json_t *vectors, *bad;
	char text[256];
	const char *good;
	struct vkey k;

	(void)state;
	if (!vectors_path("c2sp-signed-note/note_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	good = vector_text(vectors, "good_vkey");
	bad = json_object_get(vectors, "bad_vkeys");
	assert_int_equal(vkey_parse(good, &k), ERR_OK);
	verify_key_free(k.key);
	for (size_t i = 0; i < json_array_size(bad); i++)
		assert_int_not_equal(vkey_parse(json_string_value(json_array_get(bad, i)), &k),
				     ERR_OK);
	for (size_t i = 0; good[i]; i++) {
		snprintf(text, sizeof(text), "%s", good);
		text[i]++;
		assert_int_not_equal(vkey_parse(text, &k), ERR_OK);
		text[i] = '\0';
		assert_int_not_equal(vkey_parse(text, &k), ERR_OK);
	}
	json_decref(vectors);
}

struct fixture {
	struct seal_key *key;
	struct buf note;
	struct note_verifier verifier;
};

static void fixture_make(struct fixture *f, const char *text)
{
	uint8_t seed[32] = {7};

	memset(f, 0, sizeof(*f));
	assert_int_equal(seal_key_from_seed(seed, &f->key), ERR_OK);
	f->verifier =
		(struct note_verifier){.name = "example.org/log", .key = seal_key_public(f->key)};
	assert_int_equal(note_sign(view_str(text), f->verifier.name, f->key, &f->note), ERR_OK);
}

static void fixture_fini(struct fixture *f)
{
	buf_fini(&f->note);
	seal_key_free(f->key);
}

static enum err read_note(struct view in, const struct note_verifier *v)
{
	struct note note;
	size_t n_verified;
	enum err e;

	e = note_parse(in, &note);
	if (!e)
		e = note_verify(&note, v, 1, &n_verified);
	if (e)
		return e;
	return n_verified == 1 ? ERR_OK : ERR_NOT_FOUND;
}

/* no byte of a note may change, go or come without its being refused */
static void test_every_byte(void **state)
{
	struct fixture f;
	uint8_t *p;

	(void)state;
	fixture_make(&f, "one\ntwo\n");
	assert_int_equal(read_note(buf_view(&f.note), &f.verifier), ERR_OK);
	p = buf_data(&f.note);
	for (size_t i = 0; i < f.note.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			p[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(read_note(buf_view(&f.note), &f.verifier), ERR_OK);
			p[i] ^= (uint8_t)(1u << bit);
		}
		assert_int_not_equal(read_note(view_of(p, i), &f.verifier), ERR_OK);
	}
	for (size_t i = 0; i <= f.note.n; i++) {
		uint8_t more[1024];

		memcpy(more, p, i);
		more[i] = 'A';
		memcpy(more + i + 1, p + i, f.note.n - i);
		assert_int_not_equal(read_note(view_of(more, f.note.n + 1), &f.verifier), ERR_OK);
		if (i == f.note.n)
			break;
		memcpy(more + i, p + i + 1, f.note.n - i - 1);
		assert_int_not_equal(read_note(view_of(more, f.note.n - 1), &f.verifier), ERR_OK);
	}
	fixture_fini(&f);
}

/* append a line of a key that nobody knows */
static void add_stranger(struct buf *note, unsigned number)
{
	uint8_t bytes[5] = {(uint8_t)number, 1, 2, 3, 4};

	assert_int_equal(buf_printf(note, "\xe2\x80\x94 stranger-%u ", number), ERR_OK);
	assert_int_equal(base64_encode(view_of(bytes, sizeof(bytes)), note), ERR_OK);
	assert_int_equal(buf_put_u8(note, '\n'), ERR_OK);
}

static void test_limits(void **state)
{
	struct fixture f;
	struct note note;
	CLEANUP(buf_fini) struct buf text = {0};
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	fixture_make(&f, "one\n");
	for (unsigned i = 1; i < NOTE_SIGNATURES_MAX; i++)
		add_stranger(&f.note, i);
	assert_int_equal(read_note(buf_view(&f.note), &f.verifier), ERR_OK);
	add_stranger(&f.note, NOTE_SIGNATURES_MAX);
	assert_int_equal(note_parse(buf_view(&f.note), &note), ERR_LIMIT);
	/* 8 KiB, then one more */
	for (size_t i = 0; i < NOTE_BYTES_MAX; i++)
		assert_int_equal(buf_put_u8(&text, i % 64 == 63 ? '\n' : 'x'), ERR_OK);
	assert_int_equal(note_parse(buf_view(&text), &note), ERR_FORMAT);
	assert_int_equal(buf_put_u8(&text, '\n'), ERR_OK);
	assert_int_equal(note_parse(buf_view(&text), &note), ERR_LIMIT);
	/* a name over 400 bytes */
	assert_int_equal(buf_put_str(&out, "one\n\n\xe2\x80\x94 "), ERR_OK);
	for (size_t i = 0; i <= NOTE_NAME_MAX; i++)
		assert_int_equal(buf_put_u8(&out, 'n'), ERR_OK);
	assert_int_equal(buf_put_str(&out, " AQIDBAU=\n"), ERR_OK);
	assert_int_equal(note_parse(buf_view(&out), &note), ERR_LIMIT);
	fixture_fini(&f);
}

/* the signature lines of the checkpoint vectors; a too short one is malformed in Go's reading */
static void test_signature_lines(void **state)
{
	static const struct {
		const char *line;
		enum err want;
	} table[] = {
		{"\xe2\x80\x94 example.org/log AQIDBAU=\n", ERR_OK},
		{"\xe2\x80\x94 example.org/log AQIDBAU\n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org/log AQIDBA==\n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org/log \n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org/log\n", ERR_FORMAT},
		{"\xe2\x80\x94  example.org/log AQIDBAU=\n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org+log AQIDBAU=\n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org/log AQIDBAU= \n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org/log  AQIDBAU=\n", ERR_FORMAT},
		{"- example.org/log AQIDBAU=\n", ERR_FORMAT},
		{"\xe2\x80\x94"
		 "example.org/log AQIDBAU=\n",
		 ERR_FORMAT},
		{"\xe2\x80\x94 example.org\t/log AQIDBAU=\n", ERR_TEXT},
		{"\xe2\x80\x94 example.org\r/log AQIDBAU=\n", ERR_TEXT},
		{"\xe2\x80\x94 example.org/log AQIDBAU=\r\n", ERR_TEXT},
		{"\xe2\x80\x94 example.org/log AQIDBAU=\n\n", ERR_FORMAT},
		{"\xe2\x80\x94 example.org/log AQIDBAU=", ERR_FORMAT},
		{"", ERR_FORMAT},
		{"\n", ERR_FORMAT},
	};
	char path[512];
	json_t *vectors, *lines, *bad;
	struct note note;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char text[256];

		snprintf(text, sizeof(text), "one\n\n%s", table[i].line);
		if (note_parse(view_str(text), &note) != table[i].want)
			fail_msg("line %zu", i);
	}
	if (!vectors_path("c2sp-checkpoint/checkpoint_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	lines = json_object_get(vectors, "signature_lines");
	bad = json_object_get(lines, "bad");
	for (size_t i = 0; i <= json_array_size(bad); i++) {
		const char *line = i ? json_string_value(json_array_get(bad, i - 1))
				     : vector_text(lines, "good");
		char text[512];

		snprintf(text, sizeof(text), "one\n\n%s\n", line);
		assert_int_equal(note_parse(view_str(text), &note), i ? ERR_FORMAT : ERR_OK);
	}
	json_decref(vectors);
}

static void test_sign_refuses(void **state)
{
	struct fixture f;
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	fixture_make(&f, "one\n");
	assert_int_equal(note_sign(view_str("one"), "name", f.key, &out), ERR_INVALID);
	assert_int_equal(note_sign(view_str(""), "name", f.key, &out), ERR_INVALID);
	assert_int_equal(note_sign(view_str("o\te\n"), "name", f.key, &out), ERR_INVALID);
	assert_int_equal(note_sign(view_str("one\n"), "a name", f.key, &out), ERR_INVALID);
	assert_int_equal(note_sign(view_str("one\n"), "a+name", f.key, &out), ERR_INVALID);
	assert_int_equal(note_sign(view_str("one\n"), "", f.key, &out), ERR_INVALID);
	assert_int_equal(out.n, 0);
	fixture_fini(&f);
}

/* a signature of our key that does not verify spoils the note, wherever it stands */
static void test_known_key_must_verify(void **state)
{
	struct fixture f, g;
	CLEANUP(buf_fini) struct buf both = {0};
	struct view line;

	(void)state;
	fixture_make(&f, "one\n");
	fixture_make(&g, "two\n");
	line = view_of(buf_data(&g.note) + 5, g.note.n - 5);
	assert_int_equal(buf_put_view(&both, buf_view(&f.note)), ERR_OK);
	assert_int_equal(buf_put_view(&both, line), ERR_OK);
	assert_int_equal(read_note(buf_view(&both), &f.verifier), ERR_SIGNATURE);
	fixture_fini(&f);
	fixture_fini(&g);
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init() != ERR_OK;
}

static int tear_down(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	     cmocka_unit_test(test_vector_signing),
		cmocka_unit_test(test_vector_vkeys), cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_limits),	     cmocka_unit_test(test_signature_lines),
		cmocka_unit_test(test_sign_refuses), cmocka_unit_test(test_known_key_must_verify),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
