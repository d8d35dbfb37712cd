#include "record/slice.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/secret.h"
#include "record/walk.h"

#define SLICES_FIRST 64 /* room made at first; an ordinary record has about 40 */

/* A slice on its way into a record. */
struct part {
	const struct field *unit;
	struct view leaf;  /* tag and value of the unit, without its parents */
	struct view whole; /* what elements are ordered by */
};

void slice_set_fini(struct slice_set *s)
{
	if (!s)
		return;
	free(s->slice);
	if (s->storage.n)
		wipe(buf_data(&s->storage), s->storage.n);
	buf_fini(&s->storage);
	*s = (struct slice_set){0};
}

static int view_order(struct view a, struct view b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int slice_order(const void *a, const void *b)
{
	return view_order(((const struct slice *)a)->bytes, ((const struct slice *)b)->bytes);
}

/* Until the set is whole, a slice's bytes.p is NULL: the storage still moves. */
static enum err set_add(struct slice_set *s, size_t *cap, const struct item *item)
{
	size_t before = s->storage.n;
	enum err e;

	if (s->n == SLICES_MAX)
		return err_new(ERR_LIMIT, "record of more than %d slices", SLICES_MAX);
	if (s->n == *cap) {
		size_t n = *cap ? 2 * *cap : SLICES_FIRST;
		struct slice *grown = reallocarray(s->slice, n, sizeof(*grown));

		if (!grown)
			return err_new(ERR_NOMEM, "%zu slices", n);
		s->slice = grown;
		*cap = n;
	}
	e = slice_put(item->field, item->at.whole, &s->storage);
	if (e)
		return err_trace(e);
	s->slice[s->n++] = (struct slice){
		.unit = item->field,
		.bytes = {.p = NULL, .n = s->storage.n - before},
	};
	return ERR_OK;
}

static enum err cut_group(struct slice_set *s, size_t *cap, const struct field *group,
			  struct view content)
{
	struct walk w = walk_begin(s->type, group, content);
	struct item item;
	enum err e;

	if (content.n == 0)
		return err_new(ERR_INVALID, "%s: is empty", group ? group->path : "record");
	while (!walk_is_end(&w)) {
		e = walk_next(&w, &item);
		if (e)
			return err_trace(e);
		if (item.field->is_unit) {
			e = item_check(&item, WALK_DATES_WHOLE);
			if (e)
				return err_trace(e);
			e = set_add(s, cap, &item);
		} else {
			e = cut_group(s, cap, item.field, item.at.value);
		}
		if (e)
			return err_trace(e);
	}
	if (group && group->is_date)
		return date_check(group, content);
	return ERR_OK;
}

static void set_settle(struct slice_set *s)
{
	const uint8_t *p = buf_data(&s->storage);
	size_t first = 0;

	for (size_t i = 0; i < s->n; i++) {
		s->slice[i].bytes.p = p;
		p += s->slice[i].bytes.n;
	}
	/* Units stand in schema order already; elements of one unit go by their bytes. */
	while (first < s->n) {
		size_t end = first + 1;

		while (end < s->n && s->slice[end].unit == s->slice[first].unit)
			end++;
		if (end - first > 1)
			qsort(s->slice + first, end - first, sizeof(*s->slice), slice_order);
		first = end;
	}
}

enum err record_cut(enum record_type type, struct view record, struct slice_set *ret)
{
	CLEANUP(slice_set_fini) struct slice_set s = {.type = type};
	size_t cap = 0;
	enum err e;

	if (record.n > RECORD_BYTES_MAX)
		return err_new(ERR_LIMIT, "record of %zu bytes, at most %d", record.n,
			       RECORD_BYTES_MAX);
	e = cut_group(&s, &cap, NULL, record);
	if (e)
		return err_trace(e);
	set_settle(&s);
	*ret = s;
	s = (struct slice_set){0};
	return ERR_OK;
}

enum err slice_check(enum record_type type, struct view slice, const struct field **ret_unit)
{
	struct item leaf;
	enum err e;

	e = slice_open(type, slice, &leaf);
	if (e)
		return err_trace(e);
	e = item_check(&leaf, WALK_DATES_ANY);
	if (e)
		return err_trace(e);
	*ret_unit = leaf.field;
	return ERR_OK;
}

static int part_order(const void *a, const void *b)
{
	const struct part *x = a;
	const struct part *y = b;

	if (x->unit != y->unit)
		return x->unit->unit_index < y->unit->unit_index ? -1 : 1;
	return view_order(x->whole, y->whole);
}

/* How many of the parts, which are sorted, lie in the same group at a level as the first does. */
static size_t run_length(const struct part *part, size_t n, size_t level)
{
	size_t i = 1;

	while (i < n && part[i].unit->numbers[level] == part[0].unit->numbers[level])
		i++;
	return i;
}

/* Bytes of what stands inside the group that all n parts share, which is level groups deep. */
static size_t group_size(const struct part *part, size_t n, size_t level)
{
	size_t size = 0;

	for (size_t i = 0; i < n;) {
		size_t n_run = 1;

		if (part[i].unit->depth == level + 1) {
			size += part[i].leaf.n;
		} else {
			n_run = run_length(part + i, n - i, level);
			size += wire_bytes_size(part[i].unit->numbers[level],
						group_size(part + i, n_run, level + 1));
		}
		i += n_run;
	}
	return size;
}

static enum err group_put(const struct part *part, size_t n, size_t level, struct buf *out)
{
	enum err e;

	for (size_t i = 0; i < n;) {
		size_t n_run = 1;

		if (part[i].unit->depth == level + 1) {
			e = buf_put_view(out, part[i].leaf);
		} else {
			n_run = run_length(part + i, n - i, level);
			e = wire_put_tag(out, part[i].unit->numbers[level], WIRE_BYTES);
			if (e)
				return err_trace(e);
			e = wire_put_varint(out, group_size(part + i, n_run, level + 1));
			if (e)
				return err_trace(e);
			e = group_put(part + i, n_run, level + 1, out);
		}
		if (e)
			return err_trace(e);
		i += n_run;
	}
	return ERR_OK;
}

static enum err parts_check_counts(const struct part *part, size_t n)
{
	size_t n_same = 0;

	for (size_t i = 0; i < n; i++) {
		n_same = i > 0 && part[i].unit == part[i - 1].unit ? n_same + 1 : 1;
		if (n_same > part[i].unit->max_count)
			return err_new(ERR_INVALID, "%s: %s", part[i].unit->path,
				       part[i].unit->is_repeated ? "too many elements" : "twice");
	}
	return ERR_OK;
}

enum err record_join(enum record_type type, const struct view *slice, size_t n, struct buf *out)
{
	CLEANUP(freep) struct part *part = NULL;
	uint8_t *room;
	size_t size;
	enum err e;

	if (n == 0)
		return ERR_OK;
	if (n > SLICES_MAX)
		return err_new(ERR_LIMIT, "%zu slices, at most %d", n, SLICES_MAX);
	part = reallocarray(NULL, n, sizeof(*part));
	if (!part)
		return err_new(ERR_NOMEM, "%zu slices", n);
	for (size_t i = 0; i < n; i++) {
		struct item leaf;

		e = slice_open(type, slice[i], &leaf);
		if (e)
			return err_trace(e);
		part[i] = (struct part){
			.unit = leaf.field,
			.leaf = leaf.at.whole,
			.whole = slice[i],
		};
	}
	qsort(part, n, sizeof(*part), part_order);
	e = parts_check_counts(part, n);
	if (e)
		return err_trace(e);
	size = group_size(part, n, 0);
	if (size > RECORD_BYTES_MAX)
		return err_new(ERR_LIMIT, "record of %zu bytes, at most %d", size,
			       RECORD_BYTES_MAX);
	/* All the room at once: what follows cannot fail half way. */
	e = buf_reserve(out, size, &room);
	if (e)
		return err_trace(e);
	return group_put(part, n, 0, out);
}
