/* Entries: golden bytes, then what may stand in which kind, and what a hostile peer may send. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/own.h"
#include "crypto/digest.h"
#include "ledger/entry.h"

#define SK "spiffe://sk.example/cipc"

/* 05 is the first field that an unaddressed entry lacks */
static const char golden_hex[] =
	"0801"
	"1220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	"18808081b184e9910320012a18"
	"7370696666653a2f2f736b2e6578616d706c652f636970633007"
	"3a20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"4220bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	"4a20cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
	"50036005"
	"6a20dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

static const int all_kinds[] = {1,  2,	3,  4,	5,  6,	7,  8,	9,  10, 11,
				12, 13, 32, 33, 34, 35, 36, 37, 38, 39, 40};

static struct digest filled(uint8_t with)
{
	struct digest d;

	memset(d.b, with, sizeof(d.b));
	return d;
}

static struct entry referral(void)
{
	struct entry e = {.time_us = 1767225600000000,
			  .kind = PB(ENTRY_KIND, REFERRAL),
			  .k = 7,
			  .prev_head = filled(0xaa),
			  .has_body = true,
			  .body_digest = filled(0xbb),
			  .has_agreement = true,
			  .agreement = filled(0xcc),
			  .purpose = PB(PURPOSE, FAMILY_TRACING),
			  .seen_k = 5,
			  .local_digest = filled(0xdd)};

	for (uint8_t i = 0; i < NONCE_BYTES; i++)
		e.nonce[i] = i;
	assert_int_equal(agency_id_parse(view_str(SK), &e.addressee), ERR_OK);
	return e;
}

/* an entry of a kind that is as it must be, with nothing that it only may have */
static struct entry least(int kind)
{
	struct entry e = referral();

	e.kind = (Amparo__V1__EntryKind)kind;
	e.purpose = 0;
	e.has_agreement = kind == PB(ENTRY_KIND, ADOPT) || kind == PB(ENTRY_KIND, WITHDRAW);
	e.has_answers = kind >= PB(ENTRY_KIND, STATUS) && kind <= PB(ENTRY_KIND, RECALL_ANSWER);
	e.answers = filled(e.has_answers ? 0xee : 0);
	if (!e.has_agreement)
		e.agreement = filled(0);
	if (entry_kind_is_addressed(kind))
		return e;
	memset(&e.addressee, 0, sizeof(e.addressee));
	e.k = 0;
	e.seen_k = 0;
	e.prev_head = filled(0);
	e.has_body = kind == PB(ENTRY_KIND, SEAL);
	if (!e.has_body)
		e.body_digest = filled(0);
	return e;
}

static void entries_equal(const struct entry *a, const struct entry *b)
{
	assert_memory_equal(a->nonce, b->nonce, NONCE_BYTES);
	assert_true(a->time_us == b->time_us && a->kind == b->kind && a->k == b->k);
	assert_true(a->seen_k == b->seen_k && a->purpose == b->purpose);
	assert_string_equal(a->addressee.text, b->addressee.text);
	assert_true(digest_eq(&a->prev_head, &b->prev_head));
	assert_true(a->has_body == b->has_body && digest_eq(&a->body_digest, &b->body_digest));
	assert_true(a->has_agreement == b->has_agreement &&
		    digest_eq(&a->agreement, &b->agreement));
	assert_true(a->has_answers == b->has_answers && digest_eq(&a->answers, &b->answers));
	assert_true(digest_eq(&a->local_digest, &b->local_digest));
}

static void golden(struct buf *out)
{
	uint8_t *p;

	assert_int_equal(buf_reserve(out, strlen(golden_hex) / 2, &p), ERR_OK);
	assert_int_equal(hex_decode(golden_hex, p, strlen(golden_hex) / 2), ERR_OK);
	buf_advance(out, strlen(golden_hex) / 2);
}

static void test_golden(void **state)
{
	CLEANUP(buf_fini) struct buf want = {0};
	CLEANUP(buf_fini) struct buf got = {0};
	struct entry e = referral();
	struct entry back;

	(void)state;
	golden(&want);
	assert_int_equal(entry_encode(&e, &got), ERR_OK);
	assert_int_equal(got.n, want.n);
	assert_memory_equal(buf_data(&got), buf_data(&want), got.n);
	assert_int_equal(entry_decode(buf_view(&got), &back), ERR_OK);
	entries_equal(&back, &e);
}

static void test_every_kind(void **state)
{
	(void)state;
	for (int kind = 0; kind < 64; kind++) {
		CLEANUP(buf_fini) struct buf out = {0};
		struct entry e = least(kind), back;
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(all_kinds); i++)
			known |= all_kinds[i] == kind;
		assert_int_equal(entry_kind_is_known(kind), known);
		assert_int_equal(entry_kind_is_addressed(kind), kind >= 1 && kind <= 31);
		assert_int_equal(entry_encode(&e, &out), known ? ERR_OK : ERR_INVALID);
		if (!known)
			continue;
		assert_int_equal(entry_decode(buf_view(&out), &back), ERR_OK);
		entries_equal(&back, &e);
	}
}

/* the table of PROTOCOL.md 2.2: for each kind, what one more or one less field comes to */
static void test_presence(void **state)
{
	static const struct {
		const char *kinds; /* of all_kinds: a letter each; R must, o may, - never */
		const char *field;
	} table[] = {
		/* 1 2 3 4 5 6 7 8 9 10 11 12 13, then 32 and the rest */
		{"RRRRRRRRRRRRR---------", "addressee"}, {"RRRRRRRRRRRRRR--------", "body"},
		{"oooooooRR-------------", "agreement"}, {"ooooooo---------------", "purpose"},
		{"-RRRRRo---------------", "answers"},
	};

	(void)state;
	for (size_t row = 0; row < ARRAY_LEN(table); row++) {
		for (size_t i = 0; i < ARRAY_LEN(all_kinds); i++) {
			for (int has = 0; has < 2; has++) {
				CLEANUP(buf_fini) struct buf out = {0};
				struct entry e = least(all_kinds[i]);
				char want = table[row].kinds[i];
				bool fits = want == 'o' || (want == 'R') == has;

				switch (row) {
				case 0:
					e.addressee = has ? referral().addressee
							  : (struct agency_id){.n_text = 0};
					e.k = (uint64_t)has;
					break;
				case 1:
					e.has_body = has;
					break;
				case 2:
					e.has_agreement = has;
					break;
				case 3:
					e.purpose = has;
					break;
				default:
					e.has_answers = has;
					break;
				}
				if ((entry_encode(&e, &out) == ERR_OK) != fits)
					fail_msg("kind %d %s %s", all_kinds[i],
						 has ? "with" : "without", table[row].field);
				assert_int_equal(out.n > 0, fits);
			}
		}
	}
}

static void test_position_is_whole(void **state)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct entry e = referral();

	(void)state;
	e.k = 0;
	assert_int_equal(entry_encode(&e, &out), ERR_INVALID);
	e = least(PB(ENTRY_KIND, START));
	e.k = 1;
	assert_int_equal(entry_encode(&e, &out), ERR_INVALID);
	e.k = 0;
	e.seen_k = 1;
	assert_int_equal(entry_encode(&e, &out), ERR_INVALID);
}

/* One field of the golden bytes: where it stands. */
struct part {
	size_t at, n, n_head; /* n_head: tag and length */
	unsigned number;
};

static size_t split_golden(const struct buf *b, struct part *parts)
{
	const uint8_t *p = buf_data(b);
	size_t n_parts = 0;

	for (size_t at = 0; at < b->n;) {
		struct part *part = &parts[n_parts++];

		part->at = at;
		part->number = p[at] >> 3;
		if ((p[at] & 7) == 2) { /* all lengths here are below 128 */
			part->n_head = 2;
			part->n = 2 + p[at + 1];
		} else {
			part->n_head = 1;
			part->n = 2;
			while (p[at + part->n - 1] & 0x80)
				part->n++;
		}
		at += part->n;
	}
	return n_parts;
}

/* the golden bytes with one field taken out, and other bytes put in its place */
static void replaced(const struct buf *b, const struct part *part, struct view with,
		     struct buf *out)
{
	const uint8_t *p = buf_data(b);

	buf_clear(out);
	assert_int_equal(buf_put(out, p, part->at), ERR_OK);
	assert_int_equal(buf_put_view(out, with), ERR_OK);
	assert_int_equal(buf_put(out, p + part->at + part->n, b->n - part->at - part->n), ERR_OK);
}

static void test_fields_missing_and_wrong(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	struct part part[16];
	struct entry e;
	size_t n;

	(void)state;
	golden(&b);
	n = split_golden(&b, part);
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = buf_data(&b) + part[i].at;
		uint8_t copy[80];
		/* agreement and purpose may be left out of a REFERRAL */
		bool may = part[i].number == 9 || part[i].number == 10;

		replaced(&b, &part[i], view_of(NULL, 0), &out);
		assert_int_equal(entry_decode(buf_view(&out), &e) == ERR_OK, may);
		/* twice */
		memcpy(copy, p, part[i].n);
		memcpy(copy + part[i].n, p, part[i].n);
		replaced(&b, &part[i], view_of(copy, 2 * part[i].n), &out);
		assert_int_not_equal(entry_decode(buf_view(&out), &e), ERR_OK);
		if (part[i].n_head == 1)
			continue;
		/* one byte longer, one shorter, none: still an id is the only text that may be */
		copy[1]++;
		copy[part[i].n] = 'x';
		replaced(&b, &part[i], view_of(copy, part[i].n + 1), &out);
		assert_int_equal(entry_decode(buf_view(&out), &e) == ERR_OK, part[i].number == 5);
		copy[1] = (uint8_t)(copy[1] - 2);
		replaced(&b, &part[i], view_of(copy, part[i].n - 1), &out);
		assert_int_equal(entry_decode(buf_view(&out), &e) == ERR_OK, part[i].number == 5);
		copy[1] = 0;
		replaced(&b, &part[i], view_of(copy, 2), &out);
		assert_int_not_equal(entry_decode(buf_view(&out), &e), ERR_OK);
	}
}

/* each one-byte change, deletion and insertion is refused, or says another thing than before */
static void test_every_byte(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(buf_fini) struct buf again = {0};
	CLEANUP(freep) uint8_t *copy = NULL;
	struct entry e;
	size_t n_read = 0;

	(void)state;
	golden(&b);
	copy = malloc(b.n + 1);
	assert_non_null(copy);
	for (size_t i = 0; i <= b.n; i++) {
		for (unsigned v = 0; v < 256 + 256 + 1; v++) {
			size_t n = b.n;

			memcpy(copy, buf_data(&b), b.n);
			if (v < 256 && i < b.n) {
				copy[i] = (uint8_t)v;
			} else if (v < 512) { /* insert */
				memmove(copy + i + 1, copy + i, b.n - i);
				copy[i] = (uint8_t)v;
				n++;
			} else if (i < b.n) { /* delete */
				memmove(copy + i, copy + i + 1, b.n - i - 1);
				n--;
			}
			if (entry_decode(view_of(copy, n), &e))
				continue;
			/* accepted only as the one encoding of what it says */
			buf_clear(&again);
			assert_int_equal(entry_encode(&e, &again), ERR_OK);
			assert_true(view_eq(buf_view(&again), view_of(copy, n)));
			n_read++;
		}
	}
	assert_true(n_read > b.n);
}

static void test_version_and_kind(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	struct part part[16];
	struct entry e = {.k = 99};

	(void)state;
	golden(&b);
	split_golden(&b, part);
	/* version 2, also with a field of the future */
	replaced(&b, &part[0], view_of("\x08\x02", 2), &out);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_VERSION);
	assert_int_equal(buf_put(&out, "\x72\x01x", 3), ERR_OK);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_VERSION);
	replaced(&b, &part[0], view_of(NULL, 0), &out);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_VERSION);
	/* kinds of the future, addressed or not; an unaddressed one with an addressee */
	replaced(&b, &part[3], view_of("\x20\x0d", 2), &out);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_INVALID);
	replaced(&b, &part[3], view_of("\x20\x00", 2), &out);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_INVALID);
	replaced(&b, &part[3], view_of("\x20\x20", 2), &out);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_INVALID);
	/* a field of the future in version 1; an unknown purpose; an addressee that is none */
	assert_int_equal(buf_put(&b, "\x72\x01x", 3), ERR_OK);
	assert_int_equal(entry_decode(buf_view(&b), &e), ERR_CANONICAL);
	b.n -= 3;
	assert_int_equal(part[9].number, 10);
	replaced(&b, &part[9], view_of("\x50\x00", 2), &out);
	assert_int_not_equal(entry_decode(buf_view(&out), &e), ERR_OK);
	replaced(&b, &part[9], view_of("\x50\x63", 2), &out);
	assert_int_not_equal(entry_decode(buf_view(&out), &e), ERR_OK);
	replaced(&b, &part[4], view_of("\x2a\x03sk.", 5), &out);
	assert_int_equal(entry_decode(buf_view(&out), &e), ERR_INVALID);
	assert_true(e.k == 99);
}

static void test_size(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct entry_outline o;
	struct entry e;
	size_t n_text;

	(void)state;
	/* version 2 with a long text of the future: 4096 bytes, then 4097 */
	golden(&b);
	b.data[b.head + 1] = 2;
	n_text = ENTRY_BYTES_MAX - b.n - 3;
	assert_int_equal(buf_put_u8(&b, 0x72), ERR_OK);
	assert_int_equal(buf_put_u8(&b, (uint8_t)(0x80 | (n_text & 0x7f))), ERR_OK);
	assert_int_equal(buf_put_u8(&b, (uint8_t)(n_text >> 7)), ERR_OK);
	for (size_t i = 0; i < n_text; i++)
		assert_int_equal(buf_put_u8(&b, 'x'), ERR_OK);
	assert_int_equal(b.n, ENTRY_BYTES_MAX);
	assert_int_equal(entry_decode(buf_view(&b), &e), ERR_VERSION);
	assert_int_equal(entry_outline(buf_view(&b), &o), ERR_OK);
	assert_int_equal(buf_put_u8(&b, 'x'), ERR_OK);
	assert_int_equal(entry_decode(buf_view(&b), &e), ERR_LIMIT);
	assert_int_equal(entry_outline(buf_view(&b), &o), ERR_LIMIT);
}

static void test_longest_entry(void **state)
{
	CLEANUP(buf_fini) struct buf out = {0};
	char text[AGENCY_ID_MAX + 1] = AGENCY_ID_PREFIX;
	struct entry e = referral();
	size_t n = strlen(text);

	(void)state;
	for (size_t i = 0; i < TRUST_DOMAIN_MAX; i++)
		text[n++] = i % 60 == 59 ? '.' : 'a';
	text[n++] = '/';
	for (size_t i = 0; i < AGENCY_NAME_MAX; i++)
		text[n++] = 'b';
	assert_int_equal(agency_id_parse(view_of(text, n), &e.addressee), ERR_OK);
	e.kind = PB(ENTRY_KIND, STATUS);
	e.has_answers = true;
	e.time_us = e.k = e.seen_k = UINT64_MAX;
	assert_int_equal(entry_encode(&e, &out), ERR_OK);
	assert_true(out.n < ENTRY_BYTES_MAX / 4);
}

/* what is read of an entry of another version or kind */
static void test_outline(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	struct digest want = filled(0xaa), prev;
	struct part part[16];
	struct entry_outline o;
	struct agency_id id;
	uint64_t k;

	(void)state;
	golden(&b);
	split_golden(&b, part);
	replaced(&b, &part[3], view_of("\x20\xe7\x07", 3), &out);
	assert_int_equal(buf_put(&out, "\x72\x01x\x78\x05", 5), ERR_OK);
	out.data[out.head + 1] = 9;
	assert_int_equal(entry_outline(buf_view(&out), &o), ERR_OK);
	assert_int_equal(o.version, 9);
	assert_int_equal(o.kind, 999);
	assert_true(o.k == 7 && digest_eq(&o.prev_head, &want));
	assert_string_equal(o.addressee.text, SK);
	assert_int_equal(entry_position(buf_view(&out), &id, &k, &prev), ERR_OK);
	assert_true(k == 7 && digest_eq(&prev, &want));
	assert_string_equal(id.text, SK);
	for (size_t i = 4; i < 7; i++) { /* addressee, k, prev_head */
		replaced(&b, &part[i], view_of(NULL, 0), &out);
		assert_int_equal(entry_outline(buf_view(&out), &o), ERR_FORMAT);
		assert_int_equal(entry_position(buf_view(&out), &id, &k, &prev), ERR_FORMAT);
	}
	replaced(&b, &part[5], view_of("\x30\x00", 2), &out);
	assert_int_equal(entry_outline(buf_view(&out), &o), ERR_FORMAT);
	replaced(&b, &part[6], view_of("\x3a\x01\xaa", 3), &out);
	assert_int_equal(entry_outline(buf_view(&out), &o), ERR_FORMAT);
	assert_int_equal(entry_outline(view_of(NULL, 0), &o), ERR_FORMAT);
	assert_int_equal(entry_outline(view_str("garbage"), &o), ERR_FORMAT);
}

static void test_salted_digests(void **state)
{
	uint8_t salt[SALT_BYTES] = {1};
	uint8_t bytes[16 + SALT_BYTES + 3];
	struct digest body = body_digest(salt, view_str("abc"));
	struct digest local = local_digest(salt, view_str("abc"));
	struct digest want;

	(void)state;
	memcpy(bytes, "amparo/v1/body", 15);
	memcpy(bytes + 15, salt, SALT_BYTES);
	memcpy(bytes + 15 + SALT_BYTES, "abc", 3);
	want = sha256(view_of(bytes, sizeof(bytes) - 1));
	assert_true(digest_eq(&body, &want));
	memcpy(bytes, "amparo/v1/local", 16);
	memcpy(bytes + 16, salt, SALT_BYTES);
	memcpy(bytes + 16 + SALT_BYTES, "abc", 3);
	want = sha256(view_of(bytes, sizeof(bytes)));
	assert_true(digest_eq(&local, &want));
	assert_false(digest_eq(&body, &local));
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
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_position_is_whole),
		cmocka_unit_test(test_fields_missing_and_wrong),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_version_and_kind),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_longest_entry),
		cmocka_unit_test(test_outline),
		cmocka_unit_test(test_salted_digests),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
