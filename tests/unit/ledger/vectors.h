/**
 * @file
 * The shared test vectors: JSON files in the folder of common/shared.h, which may be absent.
 */
#ifndef TESTS_UNIT_LEDGER_VECTORS_H
#define TESTS_UNIT_LEDGER_VECTORS_H

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/own.h"
#include "crypto/base64.h"
#include "crypto/sign.h"
#include "ledger/note.h"
#include "shared.h"

/** Path of a vector file or folder; NULL, and loudly, when there are no shared vectors. */
static inline const char *vectors_path(const char *name, char *path, size_t n)
{
	char below[256];

	(void)snprintf(below, sizeof(below), "vectors/%s", name);
	return shared_path(below, path, n) ? path : NULL;
}

/**
 * A file that is there as JSON; caller gives it back with json_decref(). Numbers come as doubles,
 * since some of the vectors' are over 2^63.
 */
static inline json_t *vectors_load(const char *path)
{
	json_error_t error;
	json_t *j = json_load_file(path, JSON_DECODE_INT_AS_REAL, &error);

	if (!j)
		fprintf(stderr, "%s: %s\n", path, error.text);
	ASSERT(j);
	return j;
}

static inline const char *vector_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	ASSERT(s);
	return s;
}

/** A whole number; those from 2^63 on, which only stand in bad probes, all come as the largest. */
static inline uint64_t vector_uint(const json_t *o, const char *key)
{
	double v = json_real_value(json_object_get(o, key));

	return v >= 0x1p63 ? UINT64_MAX : (uint64_t)v;
}

/** A base64 text of the vectors, appended to @p out. */
static inline void vector_base64(const char *text, struct buf *out)
{
	ASSERT(base64_decode(view_str(text), out) == ERR_OK);
}

/**
 * A verifier key "name+id+base64(type, key)". The product has none such (keys come out of seal
 * certificates), so this reader is the test's own.
 */
struct vkey {
	char name[512];
	uint8_t id[NOTE_KEY_ID_BYTES];
	struct verify_key *key;
};

static inline enum err vkey_parse(const char *text, struct vkey *ret)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	const char *first = strchr(text, '+');
	const char *second = first ? strchr(first + 1, '+') : NULL;
	char id[HEX_LEN(NOTE_KEY_ID_BYTES)] = "";
	uint8_t made[NOTE_KEY_ID_BYTES];
	enum err e;

	memset(ret, 0, sizeof(*ret));
	if (!second || second - first != HEX_LEN(NOTE_KEY_ID_BYTES) ||
	    (size_t)(first - text) >= sizeof(ret->name))
		return ERR_FORMAT;
	memcpy(ret->name, text, (size_t)(first - text));
	memcpy(id, first + 1, sizeof(id) - 1);
	e = hex_decode(id, ret->id, sizeof(ret->id));
	if (e)
		return e;
	e = base64_decode(view_str(second + 1), &bytes);
	if (e)
		return e;
	if (bytes.n != 1 + ED25519_PUBLIC_BYTES || bytes.data[bytes.head] != 0x01)
		return ERR_FORMAT;
	e = verify_key_new(view_of(buf_data(&bytes) + 1, ED25519_PUBLIC_BYTES), &ret->key);
	if (e)
		return e;
	note_key_id(ret->name, ret->key, made);
	if (!note_name_is_valid(view_str(ret->name)) || memcmp(made, ret->id, sizeof(made)) != 0) {
		verify_key_free(TAKE(ret->key));
		return ERR_FORMAT;
	}
	return ERR_OK;
}

#endif
