#include "record/derive.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "record/slice.h"
#include "record/walk.h"
#include "wire/message.h"

#define GROUP "derived"
#define YEARS_OF_MINOR 18 /* still a minor in the year of this birthday */
#define N_DERIVED_MAX 8
#define YEAR_MIN 1900
#define YEAR_MAX 2200

/* The few fields that this file knows by name; all else walks the table. */
struct facts {
	uint32_t birth_year; /* 0 when absent, as are the next */
	uint32_t assessed_year;
	bool has_years;
	bool has_years_min;
	uint32_t years;
	uint32_t years_min;
	bool is_contested; /* or treated as a child for the benefit of the doubt */
	struct view country;
};

/* Slices of the derived group on their way into the record. */
struct derived {
	struct buf bytes;
	size_t n_bytes[N_DERIVED_MAX];
	size_t n;
};

static void derived_fini(struct derived *d)
{
	buf_fini(&d->bytes);
}

bool derive_makes(const struct field *field)
{
	while (field->parent)
		field = field->parent;
	return field->record_type == RECORD_VICTIM && strcmp(field->path, GROUP) == 0;
}

static void facts_take(struct facts *f, const struct item *item)
{
	const char *path = item->field->path;
	uint32_t number = (uint32_t)item->at.varint;

	if (strcmp(path, "identity.date_of_birth.year") == 0) {
		f->birth_year = number;
	} else if (strcmp(path, "identity.age.years") == 0) {
		f->has_years = true;
		f->years = number;
	} else if (strcmp(path, "identity.age.years_min") == 0) {
		f->has_years_min = true;
		f->years_min = number;
	} else if (strcmp(path, "identity.age.assessed_on.year") == 0) {
		f->assessed_year = number;
	} else if (strcmp(path, "identity.age.contested") == 0 ||
		   strcmp(path, "identity.age.benefit_of_doubt") == 0) {
		f->is_contested = f->is_contested || number != 0;
	} else if (strcmp(path, "contact.current_address.country") == 0) {
		f->country = item->at.value;
	}
}

/* Years between the two, and not less than none: a birth may still be expected. */
static uint32_t difference(uint32_t year, uint32_t before)
{
	return year > before ? year - before : 0;
}

/*
 * Age by difference of years. Of an estimate the youngest age that it allows, and without the year
 * of the assessment it holds for the year of the sealing: a child until shown otherwise.
 */
static bool age_of(const struct facts *f, uint32_t year, uint32_t *ret)
{
	uint32_t since = f->assessed_year ? difference(year, f->assessed_year) : 0;

	if (f->birth_year)
		*ret = difference(year, f->birth_year);
	else if (f->has_years_min)
		*ret = f->years_min + since;
	else if (f->has_years)
		*ret = f->years + since;
	else
		return false;
	return true;
}

/* The oldest band begins where being a minor ends, so that the two never contradict each other. */
static int band_of(uint32_t age)
{
	static const struct {
		uint32_t last;
		int band;
	} bands[] = {
		{2, PB(AGE_BAND, 0_TO_2)},    {5, PB(AGE_BAND, 3_TO_5)},
		{9, PB(AGE_BAND, 6_TO_9)},    {12, PB(AGE_BAND, 10_TO_12)},
		{15, PB(AGE_BAND, 13_TO_15)}, {YEARS_OF_MINOR, PB(AGE_BAND, 16_TO_17)},
	};

	for (size_t i = 0; i < ARRAY_LEN(bands); i++)
		if (age <= bands[i].last)
			return bands[i].band;
	return PB(AGE_BAND, 18_AND_OVER);
}

/* One slice of the group: a number, or a text when there is one. */
static enum err derived_put(struct derived *d, const char *path, uint64_t number, struct view text)
{
	const struct field *unit = field_table_find(RECORD_VICTIM, path);
	CLEANUP(buf_fini) struct buf leaf = {0};
	size_t before = d->bytes.n;
	enum err e;

	ASSERT(unit && unit->is_unit && d->n < N_DERIVED_MAX);
	if (unit->kind == FIELD_TEXT)
		e = wire_put_bytes(&leaf, unit->numbers[unit->depth - 1], text);
	else
		e = wire_put_uint(&leaf, unit->numbers[unit->depth - 1], number);
	if (e)
		return err_trace(e);
	e = slice_put(unit, buf_view(&leaf), &d->bytes);
	if (e)
		return err_trace(e);
	d->n_bytes[d->n++] = d->bytes.n - before;
	return ERR_OK;
}

static enum err derived_make(const struct facts *f, uint32_t year, struct derived *d)
{
	const struct view none = {0};
	uint32_t age;
	enum err e = ERR_OK;

	if (f->birth_year)
		e = derived_put(d, GROUP ".year_of_birth", f->birth_year, none);
	if (!e && age_of(f, year, &age)) {
		bool is_minor = age <= YEARS_OF_MINOR || f->is_contested;

		e = derived_put(d, GROUP ".is_minor", is_minor, none);
		/* A contested age says no band that contradicts the benefit of the doubt. */
		if (!e && (age <= YEARS_OF_MINOR || !f->is_contested))
			e = derived_put(d, GROUP ".age_band", (uint64_t)band_of(age), none);
	}
	if (!e && f->country.n)
		e = derived_put(d, GROUP ".country_of_residence", 0, f->country);
	if (!e && d->n)
		e = derived_put(d, GROUP ".as_of_year", year, none);
	return e ? err_trace(e) : ERR_OK;
}

static enum err derive_into(const struct slice_set *s, uint32_t year, struct view *slice,
			    struct buf *out)
{
	CLEANUP(derived_fini) struct derived d = {0};
	struct facts f = {0};
	size_t n = 0;
	size_t at = 0;
	enum err e;

	for (size_t i = 0; i < s->n; i++) {
		struct item item;

		if (derive_makes(s->slice[i].unit))
			continue;
		e = slice_open(s->type, s->slice[i].bytes, &item);
		if (e)
			return err_trace(e);
		facts_take(&f, &item);
		slice[n++] = s->slice[i].bytes;
	}
	e = derived_make(&f, year, &d);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < d.n; i++) {
		slice[n++] = view_of(buf_data(&d.bytes) + at, d.n_bytes[i]);
		at += d.n_bytes[i];
	}
	return record_join(s->type, slice, n, out);
}

enum err record_derive(enum record_type type, struct view record, uint32_t year, struct buf *out)
{
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(freep) struct view *slice = NULL;
	enum err e;

	if (year < YEAR_MIN || year > YEAR_MAX)
		return err_new(ERR_INVALID, "derive: year %u", (unsigned int)year);
	if (type != RECORD_VICTIM)
		return buf_put_view(out, record);
	e = record_cut(type, record, &s);
	if (e)
		return err_trace(e);
	slice = reallocarray(NULL, s.n + N_DERIVED_MAX, sizeof(*slice));
	if (!slice)
		return err_new(ERR_NOMEM, "%zu slices", s.n);
	return derive_into(&s, year, slice, out);
}
