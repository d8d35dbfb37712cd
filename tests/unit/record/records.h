/**
 * @file
 * Records for the tests: those of the demo, the templates, and small ones written as JSON.
 */
#ifndef TESTS_UNIT_RECORD_RECORDS_H
#define TESTS_UNIT_RECORD_RECORDS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "record/json.h"
#include "record/slice.h"
#include "wire/message.h"

/** A record as canonical encoding. */
struct record {
	enum record_type type;
	struct buf bytes;
};

#define N_RECORDS 7

static inline void record_fini(struct record *r)
{
	buf_fini(&r->bytes);
}

static inline void file_read(const char *folder, const char *name, struct buf *out)
{
	char path[1024];
	uint8_t *room;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f)
		fprintf(stderr, "%s: not there\n", path);
	ASSERT(f);
	ASSERT(buf_reserve(out, 1 << 20, &room) == ERR_OK);
	buf_advance(out, fread(room, 1, 1 << 20, f));
	(void)fclose(f);
}

static inline void record_of_json(struct view json, struct record *ret)
{
	*ret = (struct record){0};
	if (record_from_json(json, &ret->type, &ret->bytes)) {
		fprintf(stderr, "%s\n", err_detail());
		ASSERT(false);
	}
}

static inline void record_of_text(const char *json, struct record *ret)
{
	record_of_json(view_str(json), ret);
}

/** Record @p i of 0 .. N_RECORDS - 1: demo, fixtures, templates. End with record_fini(). */
static inline void record_load(size_t i, struct record *ret)
{
	static const char *const demo[] = {"victim-1.json", "victim-2.json", "case-1.json"};
	static const char *const own[] = {"victim-order.json", "case-lists.json"};
	CLEANUP(buf_fini) struct buf json = {0};

	if (i < 3)
		file_read(DEMO_DIR, demo[i], &json);
	else if (i < 5)
		file_read(FIXTURE_DIR, own[i - 3], &json);
	else
		ASSERT(record_template_json(i == 5 ? RECORD_VICTIM : RECORD_CASE, &json) == ERR_OK);
	record_of_json(buf_view(&json), ret);
}

/** Whether the strict decoder of all messages takes it: the second opinion on what is canonical. */
static inline enum err message_opinion(enum record_type type, struct view v)
{
	CLEANUP(message_freep) ProtobufCMessage *m = NULL;

	return message_decode(record_type_descriptor(type), v, MESSAGE_STRICT, &m);
}

/** A small generator, the same everywhere: xorshift64*. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

#endif
