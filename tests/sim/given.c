#include "given.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/agreement.h"
#include "record/json.h"
#include "record/slice.h"
#include "wire/message.h"

#define MARKERS_MAX 512
#define MARKER_MIN 10 /* shorter values stand in other things by chance */
#define MARKER_MAX 32

#define CHILD (1u << PB(PURPOSE, CHILD_PROTECTION))
#define MISSING (1u << PB(PURPOSE, MISSING_CHILD))
#define FAMILY (1u << PB(PURPOSE, FAMILY_TRACING))
#define ANY (CHILD | MISSING | FAMILY)

/* tests/sim/agreement.yaml once more, by hand. */
static const struct rule {
	enum record_type type;
	int stage;
	unsigned purposes;
	bool needs_consent;
	const char *fields[10];
} rules[] = {
	{RECORD_VICTIM,
	 1,
	 ANY,
	 false,
	 {"derived", "origin.preferred_language", "origin.interpreter_needed",
	  "origin.habitual_residence", "routing.text_language"}},
	{RECORD_CASE,
	 1,
	 ANY,
	 false,
	 {"case.type", "case.risk_level", "case.status", "case.protection_concerns",
	  "case.protection_status", "case.displacement_status", "case.summary", "service",
	  "routing.text_language"}},
	{RECORD_VICTIM,
	 1,
	 MISSING,
	 false,
	 {"identity.given_names", "identity.family_names", "identity.nickname", "identity.sex",
	  "identity.date_of_birth", "description", "missing"}},
	{RECORD_VICTIM,
	 2,
	 ANY,
	 false,
	 {"identity", "identity_document", "description.languages", "care", "views"}},
	{RECORD_VICTIM, 2, CHILD | MISSING, false, {"contact"}},
	{RECORD_VICTIM, 2, CHILD | FAMILY, true, {"family_member", "family_contact", "separation"}},
	{RECORD_VICTIM,
	 2,
	 CHILD | MISSING,
	 true,
	 {"health.urgent", "health.urgent_needs", "health.disabilities", "health.disability_text",
	  "health.medication", "health.allergies"}},
	{RECORD_VICTIM, 2, CHILD, true, {"safety.safe_contact.phone", "safety.safe_contact.how"}},
	{RECORD_CASE, 2, ANY, false, {"case", "service", "outcome", "officer", "provenance"}},
};

static struct {
	struct given_record record[GIVEN_RECORDS];
	struct buf agreement;
	struct {
		uint8_t p[MARKER_MAX];
		size_t n;
		size_t text_at; /* where its text begins, behind tag and length; n: it has none */
		bool is_withheld;
	} marker[MARKERS_MAX];
	size_t n_marker;
} given;

/* A field, or a group that it stands in. */
static bool covers(const char *field, const char *path)
{
	const size_t n = strlen(field);

	return strncmp(field, path, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

bool given_allows(enum record_type type, const char *path, int purpose, int stage, bool has_consent)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];

		if (r->type != type || r->stage > stage || !(r->purposes >> purpose & 1) ||
		    (r->needs_consent && !has_consent))
			continue;
		for (size_t j = 0; j < 10 && r->fields[j]; j++)
			if (covers(r->fields[j], path))
				return true;
	}
	return false;
}

static bool is_ever_allowed(enum record_type type, const char *path)
{
	for (int purpose = 0; purpose < 8; purpose++)
		if (given_allows(type, path, purpose, 2, true))
			return true;
	return false;
}

static void read_file(const char *folder, const char *name, struct buf *out)
{
	char path[400];
	FILE *f;
	uint8_t *to;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(2);
	}
	while (buf_reserve(out, 65536, &to) == ERR_OK && (n = fread(to, 1, 65536, f)) > 0)
		buf_advance(out, n);
	fclose(f);
}

#define TEXT_MIN 8

/* Behind the last byte that is no text, a tag, and the length after it. */
static size_t text_at(const uint8_t *p, size_t n)
{
	size_t at = n;

	while (at && p[at - 1] >= 0x20)
		at--;
	if (at && at < n)
		at++;
	return n - at >= TEXT_MIN ? at : n;
}

/* The end of a slice is its value. */
static void add_markers(const struct given_record *r)
{
	struct slice_set set = {0};

	if (record_cut(r->type, buf_view(&r->bytes), &set)) {
		fprintf(stderr, "sim: record: %s\n", err_words());
		exit(2);
	}
	for (size_t i = 0; i < set.n && given.n_marker < MARKERS_MAX; i++) {
		const struct slice *s = &set.slice[i];
		const size_t n = s->bytes.n < MARKER_MAX ? s->bytes.n : MARKER_MAX;

		if (n < MARKER_MIN)
			continue;
		memcpy(given.marker[given.n_marker].p, s->bytes.p + s->bytes.n - n, n);
		given.marker[given.n_marker].n = n;
		given.marker[given.n_marker].text_at = text_at(given.marker[given.n_marker].p, n);
		given.marker[given.n_marker++].is_withheld =
			!is_ever_allowed(r->type, s->unit->path);
	}
	slice_set_fini(&set);
}

void given_load(const char *conf)
{
	static const char *const files[GIVEN_RECORDS] = {"demo/victim-1.json", "demo/victim-2.json",
							 "demo/case-1.json"};

	for (size_t i = 0; i < GIVEN_RECORDS; i++) {
		struct buf json = {0};

		read_file(conf, files[i], &json);
		if (record_from_json(buf_view(&json), &given.record[i].type,
				     &given.record[i].bytes)) {
			fprintf(stderr, "sim: %s: %s\n", files[i], err_words());
			exit(2);
		}
		buf_fini(&json);
		add_markers(&given.record[i]);
	}
	read_file(conf, "../tests/sim/agreement.yaml", &given.agreement);
}

void given_free(void)
{
	for (size_t i = 0; i < GIVEN_RECORDS; i++)
		buf_fini(&given.record[i].bytes);
	buf_fini(&given.agreement);
	given.n_marker = 0;
}

const struct given_record *given_record(size_t i)
{
	return &given.record[i];
}

struct view given_agreement(void)
{
	return buf_view(&given.agreement);
}

bool given_is_withheld_in(struct view bytes)
{
	for (size_t i = 0; i < given.n_marker; i++)
		if (given.marker[i].is_withheld &&
		    memmem(bytes.p, bytes.n, given.marker[i].p, given.marker[i].n))
			return true;
	return false;
}

bool given_is_personal_in(struct view text)
{
	for (size_t i = 0; i < given.n_marker; i++) {
		const size_t at = given.marker[i].text_at;

		if (at < given.marker[i].n &&
		    memmem(text.p, text.n, given.marker[i].p + at, given.marker[i].n - at))
			return true;
	}
	return false;
}
