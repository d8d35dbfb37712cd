/* Checkpoints: origins, the three lines, signatures, and the C2SP vectors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypto/digest.h"
#include "ledger/checkpoint.h"
#include "unit/ledger/vectors.h"

#define ROOT_44 "HA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define EMPTY_44 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define SIGNATURE_LINE "\n\xe2\x80\x94 somebody AQIDBAU=\n"

static struct agency_id agency(const char *text)
{
	struct agency_id id;

	assert_int_equal(agency_id_parse(view_str(text), &id), ERR_OK);
	return id;
}

static void test_origin(void **state)
{
	struct agency_id id = agency("spiffe://cz.example/umpod");
	struct agency_id other = agency("spiffe://cz.example/ump");
	static const char *const bad[] = {"",
					  "cz.example/umpod",
					  "cz.example/umpod/",
					  "cz.example/umpod/01",
					  "cz.example/umpod/1x",
					  "cz.example/umpod/-1",
					  "cz.example/umpod/+1",
					  "cz.example/umpod/1/2",
					  "cz.example/umpod2/1",
					  "sk.example/umpod/1",
					  "cz.example/umpod/18446744073709551616",
					  "cz.example/umpod 1"};
	struct origin o, back;
	uint64_t epoch_s;

	(void)state;
	origin_make(&o, &id, 1767225600);
	assert_string_equal(o.text, "cz.example/umpod/1767225600");
	assert_int_equal(origin_check(view_str(o.text), &id, &back, &epoch_s), ERR_OK);
	assert_string_equal(back.text, o.text);
	assert_int_equal(epoch_s, 1767225600);
	assert_int_equal(origin_check(view_str(o.text), &other, &back, NULL), ERR_FORMAT);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(origin_check(view_str(bad[i]), &id, &back, NULL), ERR_FORMAT);
	origin_make(&o, &id, UINT64_MAX);
	assert_int_equal(origin_check(view_str(o.text), &id, &back, &epoch_s), ERR_OK);
	assert_true(epoch_s == UINT64_MAX);
}

/* the longest id there is makes an origin that can be signed and read */
static void test_longest_origin(void **state)
{
	char text[AGENCY_ID_MAX + 1] = AGENCY_ID_PREFIX;
	uint8_t seed[32] = {1};
	CLEANUP(seal_key_freep) struct seal_key *key = NULL;
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c = {.size = 1};
	struct checkpoint back;
	struct agency_id id;
	size_t n = strlen(text);

	(void)state;
	for (size_t i = 0; i < TRUST_DOMAIN_MAX; i++)
		text[n++] = i % 60 == 59 ? '.' : 'a';
	text[n++] = '/';
	for (size_t i = 0; i < AGENCY_NAME_MAX; i++)
		text[n++] = 'b';
	assert_int_equal(agency_id_parse(view_of(text, n), &id), ERR_OK);
	origin_make(&c.origin, &id, UINT64_MAX);
	assert_int_equal(strlen(c.origin.text), ORIGIN_MAX);
	assert_int_equal(seal_key_from_seed(seed, &key), ERR_OK);
	assert_int_equal(checkpoint_sign(&c, key, &note), ERR_OK);
	assert_int_equal(
		checkpoint_read(buf_view(&note), c.origin.text, seal_key_public(key), &back),
		ERR_OK);
	assert_memory_equal(&back, &c, sizeof(c));
}

/* what each text is as a checkpoint, its signature aside */
static void test_texts(void **state)
{
	static const struct {
		const char *text;
		enum err want;
	} table[] = {
		{"a.example/b/1\n5\n" ROOT_44 "\n", ERR_OK},
		{"a.example/b/1\n0\n" EMPTY_44 "\n", ERR_OK},
		{"a.example/b/1\n0\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n4611686018427387903\n" ROOT_44 "\n", ERR_OK},
		{"a.example/b/1\n4611686018427387904\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n18446744073709551621\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n05\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n00\n" EMPTY_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n+5\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n 5\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n5 \n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n5\n\n", ERR_FORMAT},
		{"a.example/b/1\n5\n" ROOT_44 "=\n", ERR_FORMAT},
		{"a.example/b/1\n5\nHA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n", ERR_FORMAT},
		{"a.example/b/1\n5\nHA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n", ERR_FORMAT},
		{"\n5\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1 \n5\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b+1\n5\n" ROOT_44 "\n", ERR_FORMAT},
		{"a.example/b/1\n5\n" ROOT_44 "\nextension\n", ERR_FORMAT},
		{"a.example/b/1\n5\n" ROOT_44 "\n\n", ERR_FORMAT},
		{"a.example/b/1\n5\n" ROOT_44 "\n\n\n", ERR_FORMAT},
		{"a.example/b/1\r\n5\r\n" ROOT_44 "\r\n", ERR_TEXT},
		{"a.example/b/1\n5\n", ERR_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct checkpoint c;
		char note[512];

		snprintf(note, sizeof(note), "%s%s", table[i].text, SIGNATURE_LINE);
		if (checkpoint_read(view_str(note), NULL, NULL, &c) != table[i].want)
			fail_msg("text %zu", i);
	}
}

/*
 * The vectors' texts carry hashes that are not 32 bytes, so that ours is put in for those that
 * decode. Extension lines are valid in C2SP and refused by us: exactly three lines.
 */
static enum err read_vector_text(const char *text)
{
	const char *size = strchr(text, '\n');
	const char *root = size ? strchr(size + 1, '\n') : NULL;
	const char *end = root ? strchr(root + 1, '\n') : NULL;
	CLEANUP(buf_fini) struct buf hash = {0};
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c;

	if (end && base64_decode(view_of(root + 1, (size_t)(end - root - 1)), &hash) == ERR_OK) {
		assert_int_equal(buf_put(&note, text, (size_t)(root + 1 - text)), ERR_OK);
		assert_int_equal(buf_printf(&note, "%s%s", ROOT_44, end), ERR_OK);
	} else {
		assert_int_equal(buf_put_str(&note, text), ERR_OK);
	}
	assert_int_equal(buf_put_str(&note, SIGNATURE_LINE), ERR_OK);
	return checkpoint_read(buf_view(&note), NULL, NULL, &c);
}

static void test_vector_texts(void **state)
{
	char path[512];
	json_t *vectors, *list;

	(void)state;
	if (!vectors_path("c2sp-checkpoint/checkpoint_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	list = json_object_get(vectors, "text_valid");
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		bool extended = vector_text(c, "extensions")[0] != '\0';

		assert_int_equal(read_vector_text(vector_text(c, "text")),
				 extended ? ERR_FORMAT : ERR_OK);
	}
	list = json_object_get(vectors, "text_invalid");
	assert_int_equal(json_array_size(list), 7);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		if (read_vector_text(vector_text(c, "text")) == ERR_OK)
			fail_msg("%s", vector_text(c, "desc"));
	}
	json_decref(vectors);
}

/* the mutations that a signed vector lists, on a copy */
static void check_mutations(const char *text, const struct vkey *k)
{
	struct checkpoint c;
	char copy[2048];
	size_t n = strlen(text);
	size_t n_broken = 0;

	/* every bit of every byte: origin, size, root, key id, signature */
	assert_true(n < sizeof(copy));
	memcpy(copy, text, n);
	for (size_t i = 0; i < n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			copy[i] = (char)(copy[i] ^ (1 << bit));
			n_broken += checkpoint_read(view_of(copy, n), NULL, k->key, &c) != ERR_OK;
			copy[i] = (char)(copy[i] ^ (1 << bit));
		}
	}
	assert_int_equal(n_broken, 8 * n);
	snprintf(copy, sizeof(copy), "%.*sx%s", (int)strlen(k->name), text, text + strlen(k->name));
	assert_int_not_equal(checkpoint_read(view_str(copy), NULL, k->key, &c), ERR_OK);
}

static void test_vector_signed(void **state)
{
	char path[512];
	json_t *vectors, *list;

	(void)state;
	if (!vectors_path("c2sp-checkpoint/checkpoint_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	list = json_object_get(vectors, "signed");
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		const char *text = vector_text(v, "note");
		struct note_verifier verifier;
		struct checkpoint c;
		struct note note;
		struct vkey k;
		size_t n_verified = 0;

		assert_int_equal(vkey_parse(vector_text(v, "vkey"), &k), ERR_OK);
		verifier = (struct note_verifier){.name = k.name, .key = k.key};
		assert_int_equal(note_parse(view_str(text), &note), ERR_OK);
		assert_int_equal(note_verify(&note, &verifier, 1, &n_verified), ERR_OK);
		assert_int_equal(n_verified, 1);
		if (strcmp(k.name, "sum.golang.org") == 0) {
			/* a good note, but its origin "go.sum database tree" is not its key's name
			 */
			assert_int_equal(checkpoint_read(view_str(text), NULL, k.key, &c),
					 ERR_FORMAT);
		} else {
			assert_int_equal(checkpoint_read(view_str(text), k.name, k.key, &c),
					 ERR_OK);
			assert_string_equal(c.origin.text, k.name);
			check_mutations(text, &k);
		}
		verify_key_free(k.key);
	}
	/* cosignature/v1, parse_cosignature_line, key_id (type 4), add_checkpoint_request and the
	 * witness protocol: no part of ours. To us a witness's line is one of an unknown key. */
	json_decref(vectors);
}

static void test_vector_cosigned(void **state)
{
	char path[512];
	json_t *vectors, *cosignature, *lines;
	uint8_t seed[32] = {3};
	CLEANUP(seal_key_freep) struct seal_key *key = NULL;
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c = {.origin.text = "example.org/log", .size = 10};
	struct checkpoint back;

	(void)state;
	if (!vectors_path("c2sp-checkpoint/checkpoint_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	cosignature = json_object_get(vectors, "cosignature");
	lines = json_object_get(cosignature, "lines");
	assert_int_equal(seal_key_from_seed(seed, &key), ERR_OK);
	assert_int_equal(checkpoint_sign(&c, key, &note), ERR_OK);
	for (size_t i = 0; i < json_array_size(lines); i++)
		assert_int_equal(
			buf_printf(&note, "%s\n", json_string_value(json_array_get(lines, i))),
			ERR_OK);
	assert_int_equal(
		checkpoint_read(buf_view(&note), "example.org/log", seal_key_public(key), &back),
		ERR_OK);
	assert_memory_equal(&back, &c, sizeof(c));
	json_decref(vectors);
}

static void test_sign_and_read(void **state)
{
	uint8_t seed[32] = {1}, other_seed[32] = {2};
	CLEANUP(seal_key_freep) struct seal_key *key = NULL;
	CLEANUP(seal_key_freep) struct seal_key *other = NULL;
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c = {.origin.text = "a.example/b/1", .size = 7};
	struct checkpoint back = {.size = 99};

	(void)state;
	memset(c.root.b, 0xa5, sizeof(c.root.b));
	assert_int_equal(seal_key_from_seed(seed, &key), ERR_OK);
	assert_int_equal(seal_key_from_seed(other_seed, &other), ERR_OK);
	assert_int_equal(checkpoint_sign(&c, key, &note), ERR_OK);
	assert_int_equal(
		checkpoint_read(buf_view(&note), "a.example/b/2", seal_key_public(key), &back),
		ERR_FORMAT);
	/* another key of the same name has another id: nobody that we know has signed */
	assert_int_equal(
		checkpoint_read(buf_view(&note), "a.example/b/1", seal_key_public(other), &back),
		ERR_SIGNATURE);
	assert_int_equal(back.size, 99);
	assert_int_equal(
		checkpoint_read(buf_view(&note), "a.example/b/1", seal_key_public(key), &back),
		ERR_OK);
	assert_memory_equal(&back, &c, sizeof(c));
	assert_int_equal(checkpoint_read(buf_view(&note), NULL, NULL, &back), ERR_OK);
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
		cmocka_unit_test(test_origin),	      cmocka_unit_test(test_longest_origin),
		cmocka_unit_test(test_texts),	      cmocka_unit_test(test_vector_texts),
		cmocka_unit_test(test_vector_signed), cmocka_unit_test(test_vector_cosigned),
		cmocka_unit_test(test_sign_and_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
