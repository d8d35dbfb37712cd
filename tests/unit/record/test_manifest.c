/* Manifests: counts, order, sizes; openings that fit and that do not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypto/digest.h"
#include "record/manifest.h"
#include "unit/record/records.h"

static const char sex[] = "{\"type\":\"VictimRecord\",\"identity\":{\"sex\":\"female\"}}";

static int setup(void **state)
{
	(void)state;
	return crypto_init() ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

static struct manifest_terms some_terms(enum record_type type)
{
	struct manifest_terms t = {
		.record_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		.revision = 1,
		.type = type,
		.schema_version = 1,
		.sealed_at_us = 1767225600000000,
		.retain_until_us = 1798761600000000,
		.tlp = PB(TLP, AMBER),
		.restrictions = 1u << PB(RESTRICTION, H1_NOT_IN_COURT) |
				1u << PB(RESTRICTION, H2_NO_DISSEMINATION),
	};

	assert_int_equal(agency_id_parse(view_str("spiffe://cz.example/umpod"), &t.originator),
			 ERR_OK);
	return t;
}

static uint8_t *some_random(size_t n)
{
	static uint64_t seed = 7;
	uint8_t *p = malloc(n ? n : 1);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(next_random(&seed) >> 56);
	return p;
}

static void test_commitment_bytes(void **state)
{
	uint8_t salt[SLICE_SALT_BYTES];
	uint8_t all[16 + 32 + 4] = "amparo/v1/slice";
	uint8_t named[19 + 4] = "amparo/v1/manifest";
	static const uint8_t slice[] = {0x12, 0x02, 0x50, 0x01};
	struct digest a, b;

	(void)state;
	memset(salt, 0xa5, sizeof(salt));
	memcpy(all + 16, salt, 32);
	memcpy(all + 48, slice, 4);
	a = slice_commitment(salt, view_of(slice, 4));
	b = sha256(view_of(all, sizeof(all)));
	assert_true(digest_eq(&a, &b));
	memcpy(named + 19, slice, 4);
	a = manifest_digest(view_of(slice, 4));
	b = sha256(view_of(named, sizeof(named)));
	assert_true(digest_eq(&a, &b));
}

static void test_counts(void **state)
{
	static const struct {
		size_t n_slices, n_previous, n;
	} cases[] = {
		{0, 0, 64},	{1, 0, 64},	 {63, 0, 64},	  {64, 0, 64},	     {65, 0, 128},
		{128, 0, 128},	{129, 0, 256},	 {256, 0, 256},	  {257, 0, 512},     {512, 0, 512},
		{513, 0, 1024}, {1024, 0, 1024}, {1025, 0, 0},	  {SIZE_MAX, 0, 0},  {1, 64, 64},
		{1, 128, 128},	{1, 1024, 1024}, {300, 256, 512}, {300, 1024, 1024}, {1, 1025, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(manifest_commitment_count(cases[i].n_slices, cases[i].n_previous),
				 cases[i].n);
		assert_int_equal(manifest_random_bytes(cases[i].n_slices, cases[i].n_previous),
				 cases[i].n * 32);
	}
	for (size_t n = 1; n <= COMMITMENTS_MAX; n++)
		for (size_t before = 64; before <= COMMITMENTS_MAX; before *= 2) {
			size_t count = manifest_commitment_count(n, before);

			assert_true(count >= before && count >= n && (count & (count - 1)) == 0);
		}
}

static void assert_terms_equal(const struct manifest_terms *a, const struct manifest_terms *b)
{
	assert_memory_equal(a->record_id, b->record_id, RECORD_ID_BYTES);
	assert_int_equal(a->revision, b->revision);
	assert_int_equal(a->has_previous, b->has_previous);
	assert_memory_equal(a->previous.b, b->previous.b, DIGEST_BYTES);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->schema_version, b->schema_version);
	assert_true(agency_id_eq(&a->originator, &b->originator));
	assert_int_equal(a->sealed_at_us, b->sealed_at_us);
	assert_int_equal(a->retain_until_us, b->retain_until_us);
	assert_int_equal(a->tlp, b->tlp);
	assert_int_equal(a->restrictions, b->restrictions);
	assert_true(view_eq(a->restriction_text, b->restriction_text));
}

/* whole records, in two revisions: every slice opens, nothing else does */
static void check_record(size_t i, size_t n_previous)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(buf_fini) struct buf bytes = {0};
	CLEANUP(freep) uint8_t *random = NULL;
	struct manifest_terms terms;
	struct manifest m;
	const struct field *unit;
	struct digest d;
	size_t n_random;

	record_load(i, &r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
	n_random = manifest_random_bytes(s.n, n_previous);
	random = some_random(n_random);
	terms = some_terms(r.type);
	terms.n_previous = n_previous;
	terms.revision = n_previous ? 2 : 1;
	terms.has_previous = n_previous != 0;
	if (n_previous)
		memset(terms.previous.b, 0x77, DIGEST_BYTES);
	assert_int_equal(manifest_make(&terms, &s, random, n_random, &bytes), ERR_OK);
	assert_true(bytes.n <= MANIFEST_BYTES_MAX);
	assert_int_equal(manifest_read(buf_view(&bytes), &m), ERR_OK);
	assert_terms_equal(&m.terms, &terms);
	assert_int_equal(m.n, n_random / 32);
	d = manifest_digest(buf_view(&bytes));
	assert_true(digest_eq(&d, &m.digest));

	for (size_t k = 0; k < s.n; k++) {
		struct view salt = view_of(random + 32 * k, 32);
		struct view other = view_of(random + 32 * ((k + 1) % s.n), 32);
		struct view slice = s.slice[k].bytes;
		struct digest expected = slice_commitment(salt.p, slice);

		assert_int_equal(manifest_check_opening(&m, salt, slice, &d, &unit), ERR_OK);
		assert_true(digest_eq(&d, &expected));
		assert_ptr_equal(unit, s.slice[k].unit);
		/* two elements may say the same, under a salt each */
		if (!view_eq(slice, s.slice[(k + 1) % s.n].bytes))
			assert_int_equal(manifest_check_opening(&m, other, slice, &d, &unit),
					 ERR_PROOF);
		assert_int_equal(manifest_check_opening(&m, view_of(salt.p, 31), slice, &d, &unit),
				 ERR_INVALID);
		assert_int_equal(
			manifest_check_opening(&m, salt, view_of(slice.p, slice.n - 1), &d, &unit),
			ERR_PROOF);
	}
	/* decoys are there, and are no commitment of anything that was given */
	for (size_t k = s.n; k < m.n; k++) {
		assert_true(digest_from_view(&d, view_of(random + 32 * k, 32)));
		assert_true(manifest_has(&m, &d));
		for (size_t x = 0; x < s.n; x++)
			assert_int_equal(manifest_check_opening(&m, view_digest(&d),
								s.slice[x].bytes, &d, &unit),
					 ERR_PROOF);
	}
	memset(&d, 0, sizeof(d));
	assert_false(manifest_has(&m, &d));
	memset(&d, 0xff, sizeof(d));
	assert_false(manifest_has(&m, &d));
}

static void test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RECORDS; i++) {
		check_record(i, 0);
		check_record(i, 512);
		check_record(i, 1024);
	}
}

/* a commitment of what is no slice: sealed, yet refused when opened */
static void test_sealed_rubbish(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	CLEANUP(freep) uint8_t *random = some_random(64 * 32);
	struct slice slice[] = {
		{.bytes = {.p = (const uint8_t *)"\x12\x02\x50\x03", .n = 4}},
		{.bytes = {.p = (const uint8_t *)"\x12\x02\x50\x01\x00", .n = 5}},
		{.bytes = {.p = (const uint8_t *)"", .n = 0}},
	};
	struct slice_set s = {.type = RECORD_VICTIM, .slice = slice, .n = 3};
	static const enum err expected[] = {ERR_INVALID, ERR_CANONICAL, ERR_INVALID};
	struct manifest_terms terms = some_terms(RECORD_VICTIM);
	const struct field *unit;
	struct manifest m;
	struct digest d;

	(void)state;
	assert_int_equal(manifest_make(&terms, &s, random, 64 * 32, &bytes), ERR_OK);
	assert_int_equal(manifest_read(buf_view(&bytes), &m), ERR_OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(manifest_check_opening(&m, view_of(random + 32 * i, 32),
							slice[i].bytes, &d, &unit),
				 expected[i]);
}

static void test_make_refuses(void **state)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(freep) uint8_t *random = some_random(1024 * 32);
	CLEANUP(buf_fini) struct buf out = {0};
	static const struct slice_set none = {.type = RECORD_VICTIM};
	struct manifest_terms good = some_terms(RECORD_VICTIM);
	struct manifest_terms t;

	(void)state;
	record_of_text(sex, &r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
	assert_int_equal(manifest_make(&good, &none, random, 64 * 32, &out), ERR_INVALID);
	assert_int_equal(manifest_make(&good, &s, random, 64 * 32 - 1, &out), ERR_INVALID);
	assert_int_equal(manifest_make(&good, &s, random, 65 * 32, &out), ERR_INVALID);
	t = good;
	t.n_previous = 1025;
	assert_int_equal(manifest_make(&t, &s, random, 1024 * 32, &out), ERR_LIMIT);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		t = good;                                                                          \
		change;                                                                            \
		assert_int_equal(manifest_make(&t, &s, random, 64 * 32, &out), ERR_INVALID);       \
	} while (0)
	REFUSED(t.revision = 0);
	REFUSED(t.revision = 2);
	REFUSED(t.has_previous = true);
	REFUSED(t.type = RECORD_CASE);
	REFUSED(t.schema_version = 0);
	REFUSED(t.sealed_at_us = 0);
	REFUSED(t.tlp = 6);
	REFUSED(t.tlp = -1);
	REFUSED(t.restrictions = 1);
	REFUSED(t.restriction_text = view_str("words of H3 without it"));
	REFUSED(t.restrictions = 1u << 4);
	REFUSED(t.restrictions = 1u << 31);
#undef REFUSED
	memset(random, 0, 64 * 32);
	assert_int_equal(manifest_make(&good, &s, random, 64 * 32, &out), ERR_CRYPTO);
	assert_int_equal(out.n, 0);
}

static void test_handling_forms(void **state)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(freep) uint8_t *random = some_random(64 * 32);

	(void)state;
	record_of_text(sex, &r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
	for (int tlp = 0; tlp <= 5; tlp++)
		for (uint32_t restrictions = 0; restrictions < 16; restrictions += 2) {
			struct manifest_terms t = some_terms(RECORD_VICTIM);
			CLEANUP(buf_fini) struct buf bytes = {0};
			struct manifest m;

			t.tlp = tlp;
			t.restrictions = restrictions;
			t.retain_until_us = 0;
			if (restrictions & 1u << PB(RESTRICTION, H3_OTHER))
				t.restriction_text = view_str("nejen úředně");
			assert_int_equal(manifest_make(&t, &s, random, 64 * 32, &bytes), ERR_OK);
			assert_int_equal(manifest_read(buf_view(&bytes), &m), ERR_OK);
			assert_terms_equal(&m.terms, &t);
		}
}

/* What is sealed can be read: words of H3 that would not leave room for that are refused. */
static void test_handling_too_long(void **state)
{
	static char words[MANIFEST_BYTES_MAX];
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(freep) uint8_t *random = some_random(64 * 32);
	size_t most = 0;

	(void)state;
	memset(words, 'x', sizeof(words));
	record_of_text(sex, &r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &s), ERR_OK);
	for (size_t n = MANIFEST_BYTES_MAX - 4096; n <= MANIFEST_BYTES_MAX; n++) {
		struct manifest_terms t = some_terms(RECORD_VICTIM);
		CLEANUP(buf_fini) struct buf bytes = {0};
		struct manifest m;
		enum err e;

		t.restrictions = 1u << PB(RESTRICTION, H3_OTHER);
		t.restriction_text = view_of(words, n);
		e = manifest_make(&t, &s, random, 64 * 32, &bytes);
		assert_int_equal(e, bytes.n ? ERR_OK : ERR_LIMIT);
		if (e)
			continue;
		most = n;
		assert_int_equal(manifest_read(buf_view(&bytes), &m), ERR_OK);
	}
	assert_in_range(most, MANIFEST_BYTES_MAX - 4095, MANIFEST_BYTES_MAX - 64 * 32);
}

/* A manifest as a message, to be spoilt field by field. */
struct spoilt {
	struct pb_manifest pb;
	struct pb_handling handling;
	Amparo__V1__Restriction restrictions[3];
	uint8_t id[17];
	uint8_t previous[33];
	uint8_t commitments[1025 * 32];
	char originator[64];
};

static void spoilt_init(struct spoilt *s)
{
	static const struct pb_manifest manifest = PB_MANIFEST_INIT;
	static const struct pb_handling handling = PB_HANDLING_INIT;

	memset(s, 0, sizeof(*s));
	s->pb = manifest;
	s->handling = handling;
	s->pb.has_record_id = s->pb.has_revision = s->pb.has_record_type = 1;
	s->pb.has_schema_version = s->pb.has_sealed_at_us = s->pb.has_commitments = 1;
	s->pb.record_id = message_borrow(view_of(s->id, 16));
	s->pb.revision = s->pb.record_type = s->pb.schema_version = 1;
	s->pb.sealed_at_us = 1;
	(void)snprintf(s->originator, sizeof(s->originator), "spiffe://cz.example/umpod");
	s->pb.originator = s->originator;
	for (size_t i = 0; i < 1025; i++)
		put_u32be(s->commitments + 32 * i, (uint32_t)i);
	s->pb.commitments = message_borrow(view_of(s->commitments, 64 * 32));
}

static enum err spoilt_read(const struct spoilt *s)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	struct manifest m;

	assert_int_equal(message_encode(&s->pb, &bytes), ERR_OK);
	return manifest_read(buf_view(&bytes), &m);
}

static void test_read_counts(void **state)
{
	static struct spoilt s;

	(void)state;
	spoilt_init(&s);
	for (size_t n = 0; n <= 1025 * 32; n += n % 32 == 31 || n % 32 == 0 ? 1 : 30) {
		bool is_good = n == 64 * 32 || n == 128 * 32 || n == 256 * 32 || n == 512 * 32 ||
			       n == 1024 * 32;

		s.pb.commitments = message_borrow(view_of(s.commitments, n));
		assert_int_equal(spoilt_read(&s), is_good ? ERR_OK : ERR_INVALID);
	}
	s.pb.has_commitments = 0;
	assert_int_equal(spoilt_read(&s), ERR_INVALID);
}

static void test_read_order(void **state)
{
	static struct spoilt s;

	(void)state;
	for (size_t i = 1; i < 64; i++) {
		spoilt_init(&s);
		memcpy(s.commitments + 32 * i, s.commitments + 32 * (i - 1), 32); /* twice */
		assert_int_equal(spoilt_read(&s), ERR_INVALID);
		put_u32be(s.commitments + 32 * (i - 1), (uint32_t)i); /* changed places */
		put_u32be(s.commitments + 32 * i, (uint32_t)i - 1);
		assert_int_equal(spoilt_read(&s), ERR_INVALID);
	}
}

static void test_read_refuses(void **state)
{
	static struct spoilt s;
	uint8_t large[MANIFEST_BYTES_MAX + 1] = {0};
	struct manifest m;

	(void)state;
#define READ(expected, change)                                                                     \
	do {                                                                                       \
		spoilt_init(&s);                                                                   \
		change;                                                                            \
		assert_int_equal(spoilt_read(&s), expected);                                       \
	} while (0)
	READ(ERR_OK, (void)0);
	READ(ERR_INVALID, s.pb.has_record_id = 0);
	READ(ERR_INVALID, s.pb.record_id.len = 15);
	READ(ERR_INVALID, s.pb.record_id.len = 17);
	READ(ERR_INVALID, s.pb.has_revision = 0);
	READ(ERR_INVALID, s.pb.revision = 0);
	READ(ERR_INVALID, s.pb.revision = 2);
	READ(ERR_INVALID, s.pb.has_record_type = 0);
	READ(ERR_INVALID, s.pb.record_type = 0);
	READ(ERR_INVALID, s.pb.record_type = 3);
	READ(ERR_INVALID, s.pb.has_schema_version = 0);
	READ(ERR_INVALID, s.pb.schema_version = 0);
	READ(ERR_OK,
	     s.pb.schema_version = 2); /* a later one: what this node knows of it, it reads */
	READ(ERR_INVALID, s.pb.originator = NULL);
	READ(ERR_FORMAT, s.originator[0] = 'S');
	READ(ERR_FORMAT, s.originator[0] = '\0');
	READ(ERR_INVALID, s.pb.has_sealed_at_us = 0);
	READ(ERR_INVALID, s.pb.sealed_at_us = 0);
	READ(ERR_INVALID, s.pb.has_retain_until_us = 1);
#define PREVIOUS(n)                                                                                \
	(s.pb.revision = 2, s.pb.has_previous = 1,                                                 \
	 s.pb.previous = message_borrow(view_of(s.previous, (n))))
	READ(ERR_OK, PREVIOUS(32));
	READ(ERR_INVALID, PREVIOUS(31));
	READ(ERR_INVALID, PREVIOUS(33));
	READ(ERR_INVALID, PREVIOUS(0));
	READ(ERR_INVALID, (PREVIOUS(32), s.pb.revision = 1));
	READ(ERR_OK, (PREVIOUS(32), s.pb.revision = UINT32_MAX));
#undef PREVIOUS
#define HANDLING(n)                                                                                \
	(s.pb.handling = &s.handling, s.handling.restrictions = s.restrictions,                    \
	 s.handling.n_restrictions = (n), s.restrictions[0] = PB(RESTRICTION, H1_NOT_IN_COURT),    \
	 s.restrictions[1] = PB(RESTRICTION, H3_OTHER))
	READ(ERR_INVALID, HANDLING(0));
	READ(ERR_OK, HANDLING(1));
	READ(ERR_OK, HANDLING(2));
	READ(ERR_INVALID, (HANDLING(2), s.restrictions[0] = PB(RESTRICTION, H3_OTHER)));
	READ(ERR_CANONICAL, (HANDLING(1), s.restrictions[0] = (Amparo__V1__Restriction)0));
	READ(ERR_CANONICAL, (HANDLING(1), s.restrictions[0] = (Amparo__V1__Restriction)4));
	READ(ERR_CANONICAL, (HANDLING(1), s.restrictions[0] = (Amparo__V1__Restriction)99));
	READ(ERR_CANONICAL, (HANDLING(1), s.restrictions[0] = (Amparo__V1__Restriction)-1));
	READ(ERR_OK, (HANDLING(2), s.handling.other = s.originator));
	READ(ERR_INVALID, (HANDLING(1), s.handling.other = s.originator));
	READ(ERR_INVALID, (HANDLING(2), s.handling.other = (char *)s.previous));
	READ(ERR_CANONICAL,
	     (HANDLING(0), s.handling.has_tlp = 1, s.handling.tlp = (Amparo__V1__Tlp)0));
	READ(ERR_OK, (HANDLING(0), s.handling.has_tlp = 1, s.handling.tlp = PB(TLP, CLEAR)));
	READ(ERR_CANONICAL,
	     (HANDLING(0), s.handling.has_tlp = 1, s.handling.tlp = (Amparo__V1__Tlp)6));
#undef HANDLING
#undef READ
	assert_int_equal(manifest_read(view_of(large, sizeof(large)), &m), ERR_LIMIT);
	assert_int_equal(manifest_read(view_of(large, 0), &m), ERR_INVALID);
	assert_int_equal(manifest_read(view_of(large, 1), &m), ERR_FORMAT);
}

/* every one-byte change of a manifest is refused, or has another digest */
static void test_every_one_byte_mutation(void **state)
{
	static struct spoilt s;
	CLEANUP(buf_fini) struct buf bytes = {0};
	struct manifest m, changed;
	size_t n_accepted = 0;

	(void)state;
	spoilt_init(&s);
	assert_int_equal(message_encode(&s.pb, &bytes), ERR_OK);
	assert_int_equal(manifest_read(buf_view(&bytes), &m), ERR_OK);
	for (size_t at = 0; at < bytes.n; at++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			buf_data(&bytes)[at] ^= (uint8_t)(1u << bit);
			if (manifest_read(buf_view(&bytes), &changed) == ERR_OK) {
				assert_false(digest_eq(&m.digest, &changed.digest));
				n_accepted++;
			}
			buf_data(&bytes)[at] ^= (uint8_t)(1u << bit);
		}
	assert_true(n_accepted > 0);
}

/* the bytes that PROTOCOL.md works out: written by another program */
static void worked(const struct buf *text, const char *name, struct buf *ret)
{
	char line[64];
	const char *p;
	size_t n;
	uint8_t *room;

	(void)snprintf(line, sizeof(line), "\n%s = ", name);
	p = strstr((const char *)buf_data(text), line);
	assert_non_null(p);
	p += strlen(line);
	n = strcspn(p, "\n");
	char *hex = strndup(p, n);

	assert_non_null(hex);
	assert_int_equal(buf_reserve(ret, n / 2, &room), ERR_OK);
	assert_int_equal(hex_decode(hex, room, n / 2), ERR_OK);
	buf_advance(ret, n / 2);
	free(hex);
}

static void test_worked_bytes(void **state)
{
	static const char *const names[] = {"slice", "slice_salt", "commitment", "manifest",
					    "manifest_digest"};
	enum {
		SLICE,
		SALT,
		COMMITMENT,
		MANIFEST,
		DIGEST,
		N_NAMES
	};
	struct buf b[N_NAMES] = {{0}};
	CLEANUP(buf_fini) struct buf text = {0};
	CLEANUP(buf_fini) struct buf made = {0};
	uint8_t random[64 * 32];
	struct slice slice = {0};
	struct slice_set s = {.type = RECORD_VICTIM, .slice = &slice, .n = 1};
	const struct field *unit;
	struct manifest m;
	struct digest d;

	(void)state;
	file_read(PROTO_DIR, "PROTOCOL.md", &text);
	assert_int_equal(buf_put_u8(&text, 0), ERR_OK);
	for (size_t i = 0; i < N_NAMES; i++)
		worked(&text, names[i], &b[i]);
	assert_int_equal(manifest_read(buf_view(&b[MANIFEST]), &m), ERR_OK);
	assert_true(view_eq(view_digest(&m.digest), buf_view(&b[DIGEST])));
	assert_int_equal(
		manifest_check_opening(&m, buf_view(&b[SALT]), buf_view(&b[SLICE]), &d, &unit),
		ERR_OK);
	assert_true(view_eq(view_digest(&d), buf_view(&b[COMMITMENT])));
	assert_string_equal(unit->path, "derived.is_minor");
	/* and made anew, they are the same */
	slice.bytes = buf_view(&b[SLICE]);
	assert_int_equal(b[SALT].n, 32);
	memcpy(random, buf_data(&b[SALT]), 32);
	for (uint8_t i = 1; i < 64; i++) {
		d = sha256(view_of(&i, 1));
		memcpy(random + 32 * i, d.b, 32);
	}
	assert_int_equal(manifest_make(&m.terms, &s, random, sizeof(random), &made), ERR_OK);
	assert_true(view_eq(buf_view(&made), buf_view(&b[MANIFEST])));
	for (size_t i = 0; i < N_NAMES; i++)
		buf_fini(&b[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commitment_bytes),
		cmocka_unit_test(test_worked_bytes),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_sealed_rubbish),
		cmocka_unit_test(test_make_refuses),
		cmocka_unit_test(test_handling_forms),
		cmocka_unit_test(test_handling_too_long),
		cmocka_unit_test(test_read_counts),
		cmocka_unit_test(test_read_order),
		cmocka_unit_test(test_read_refuses),
		cmocka_unit_test(test_every_one_byte_mutation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
