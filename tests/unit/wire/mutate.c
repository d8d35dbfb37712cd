#include "mutate.h"

#include <string.h>

#include "wire/varint.h"

#define POOL_BYTES 65536u
#define PIECES_MAX 64u
#define FILL_DEPTH 10u

/* What one message, or one mutation, is made in; begins anew with each. */
static union {
	max_align_t align;
	uint8_t bytes[POOL_BYTES];
} pool;
static size_t n_pool;

/* Zeroed; NULL when the pool is used up. */
static void *take(size_t n)
{
	size_t room = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	void *p = pool.bytes + n_pool;

	if (room > POOL_BYTES - n_pool)
		return NULL;
	n_pool += room;
	return memset(p, 0, room);
}

static uint64_t next(struct chance *c)
{
	uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t chance_below(struct chance *c, uint64_t n)
{
	return next(c) % n;
}

static uint64_t edge(struct chance *c)
{
	static const uint64_t edges[] = {
		0,
		1,
		2,
		127,
		128,
		16383,
		16384,
		INT32_MAX,
		0x80000000u,
		UINT32_MAX,
		1ull << 32,
		1ull << 35,
		INT64_MAX,
		1ull << 63,
		UINT64_MAX,
		UINT64_MAX - 1,
		3,
		300,
		(uint64_t)(int64_t)INT32_MIN,
		(uint64_t)(int64_t)INT32_MIN - 1,
	};

	return chance_below(c, 4) ? edges[chance_below(c, ARRAY_LEN(edges))] : next(c);
}

/* --- messages ---------------------------------------------------------------------------- */

static struct view some_text(struct chance *c)
{
	static const char *const texts[] = {
		"", "a", "Praha 4", "Zo\xc3\xab", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x91\xa7 x",
	};

	return view_str(texts[chance_below(c, ARRAY_LEN(texts))]);
}

static struct view some_bytes(struct chance *c)
{
	static const size_t lengths[] = {0, 0, 1, 3, 16, 32, 127, 128, 200};
	size_t n = lengths[chance_below(c, ARRAY_LEN(lengths))];
	uint8_t *p = take(n);

	if (!p)
		return view_of(NULL, 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)next(c);
	return view_of(p, n);
}

static void *fill(struct chance *c, const ProtobufCMessageDescriptor *desc, unsigned depth);

/* Put a value at @p at; false when there is no room for one. */
static bool fill_value(struct chance *c, const ProtobufCFieldDescriptor *field, void *at,
		       unsigned depth)
{
	uint64_t v = edge(c);
	uint32_t v32 = (uint32_t)v;

	switch (field->type) {
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *desc = field->descriptor;

		v32 = (uint32_t)desc->values[chance_below(c, desc->n_values)].value;
		memcpy(at, &v32, sizeof(v32));
		return true;
	}
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		memcpy(at, &v32, sizeof(v32));
		return true;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(at, &v, sizeof(v));
		return true;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = v & 1;
		return true;
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = message_borrow_text((const char *)some_text(c).p);
		return true;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)at = message_borrow(some_bytes(c));
		return true;
	case PROTOBUF_C_TYPE_MESSAGE:
		return (*(void **)at = fill(c, field->descriptor, depth + 1)) != NULL;
	}
	return false;
}

static void fill_repeated(struct chance *c, const ProtobufCFieldDescriptor *field, char *message,
			  unsigned depth)
{
	/* by our own reckoning: that of the daemon is what is tested */
	const size_t stride = 16; /* of the largest element, bytes; taken for all */
	size_t size = field->type == PROTOBUF_C_TYPE_BYTES ? stride : 8;
	size_t n_wanted = 1 + chance_below(c, chance_below(c, 8) ? 3 : 40);
	size_t n = 0;
	char *array = take(n_wanted * stride);

	if (field->type == PROTOBUF_C_TYPE_BOOL || field->type == PROTOBUF_C_TYPE_INT32 ||
	    field->type == PROTOBUF_C_TYPE_SINT32 || field->type == PROTOBUF_C_TYPE_UINT32 ||
	    field->type == PROTOBUF_C_TYPE_FIXED32 || field->type == PROTOBUF_C_TYPE_SFIXED32 ||
	    field->type == PROTOBUF_C_TYPE_FLOAT || field->type == PROTOBUF_C_TYPE_ENUM)
		size = 4;
	while (array && n < n_wanted && fill_value(c, field, array + n * size, depth))
		n++;
	memcpy(message + field->offset, &array, sizeof(array));
	memcpy(message + field->quantifier_offset, &n, sizeof(n));
}

static void *fill(struct chance *c, const ProtobufCMessageDescriptor *desc, unsigned depth)
{
	char *m = depth <= FILL_DEPTH ? take(desc->sizeof_message) : NULL;
	uint64_t one_in = 1 + chance_below(c, depth == 1 ? 6 : 3 + depth);

	if (!m)
		return NULL;
	desc->message_init((ProtobufCMessage *)m);
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		protobuf_c_boolean has = true;

		if (chance_below(c, one_in) != 0)
			continue;
		/* The scan knows no other fields, and the schema's lint lets none in. */
		ASSERT(field->flags == 0 && !field->default_value);
		ASSERT(field->label == PROTOBUF_C_LABEL_REPEATED ||
		       field->label == PROTOBUF_C_LABEL_OPTIONAL);
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			fill_repeated(c, field, m, depth);
		else if (fill_value(c, field, m + field->offset, depth) && field->quantifier_offset)
			memcpy(m + field->quantifier_offset, &has, sizeof(has));
	}
	return m;
}

void mutate_fill(struct chance *c, const ProtobufCMessageDescriptor *desc, struct buf *out)
{
	const void *m;
	uint8_t *to;
	size_t n;

	n_pool = 0;
	m = fill(c, desc, 1);
	ASSERT(m);
	/* by protobuf-c: what this is to test has no part in it */
	n = protobuf_c_message_get_packed_size(m);
	ASSERT(buf_reserve(out, n, &to) == ERR_OK);
	ASSERT(protobuf_c_message_pack(m, to) == n);
	buf_advance(out, n);
}

/* --- fields ------------------------------------------------------------------------------ */

/* A field to be written, not always rightly. */
struct piece {
	uint32_t number;
	unsigned type; /* 0..7 */
	uint64_t varint;
	struct view value;
	unsigned pad_tag, pad_length, pad_value; /* bytes that the varint is too long */
	int lie;				 /* added to the length */
};

/* The fields of one level. */
struct level {
	struct piece piece[PIECES_MAX + 2];
	size_t n;
};

static void put_varint(struct buf *out, uint64_t v, unsigned pad)
{
	for (; v >= 0x80; v >>= 7)
		ASSERT(buf_put_u8(out, (uint8_t)(v | 0x80)) == ERR_OK);
	ASSERT(buf_put_u8(out, (uint8_t)(pad ? v | 0x80 : v)) == ERR_OK);
	for (; pad > 0; pad--)
		ASSERT(buf_put_u8(out, pad > 1 ? 0x80 : 0) == ERR_OK);
}

static void put_piece(struct buf *out, const struct piece *p)
{
	put_varint(out, (uint64_t)p->number << 3 | p->type, p->pad_tag);
	if (p->type == WIRE_VARINT)
		put_varint(out, p->varint, p->pad_value);
	if (p->type == WIRE_BYTES)
		put_varint(out, p->value.n + (uint64_t)(int64_t)p->lie, p->pad_length);
	if (p->type != WIRE_VARINT && p->value.n)
		ASSERT(buf_put_view(out, p->value) == ERR_OK);
}

static void put_level(struct buf *out, const struct level *l)
{
	for (size_t i = 0; i < l->n; i++)
		put_piece(out, &l->piece[i]);
}

/* Read as many fields as there is room for; false when there are more, or it is no encoding. */
static bool read_level(struct view in, struct level *ret)
{
	struct wire_reader r = wire_reader(in);

	for (ret->n = 0; !wire_is_end(&r); ret->n++) {
		struct wire_field f;

		if (ret->n == PIECES_MAX || wire_next(&r, &f) != ERR_OK)
			return false;
		ret->piece[ret->n] = (struct piece){
			.number = f.number, .type = f.type, .varint = f.varint, .value = f.value};
	}
	return true;
}

static void insert(struct level *l, size_t at, struct piece p)
{
	memmove(&l->piece[at + 1], &l->piece[at], (l->n - at) * sizeof(p));
	l->piece[at] = p;
	l->n++;
}

/* Where a field of this number belongs, behind those that are there. */
static size_t place_of(const struct level *l, uint32_t number)
{
	size_t at = 0;

	while (at < l->n && l->piece[at].number <= number)
		at++;
	return at;
}

/* A value for a wire type. */
static struct piece some_piece(struct chance *c, uint32_t number, unsigned type)
{
	struct piece p = {.number = number, .type = type, .varint = edge(c)};
	uint8_t *fixed = take(8);

	if (type == WIRE_BYTES)
		p.value = chance_below(c, 2) ? some_bytes(c) : some_text(c);
	if (fixed && (type == WIRE_FIXED64 || type == WIRE_FIXED32)) {
		memcpy(fixed, &p.varint, 8);
		p.value = view_of(fixed, type == WIRE_FIXED64 ? 8 : 4);
	}
	return p;
}

static void add_unknown(struct chance *c, struct level *l)
{
	static const unsigned types[] = {WIRE_VARINT, WIRE_BYTES, WIRE_FIXED64, WIRE_FIXED32, 3, 4};
	static const uint32_t numbers[] = {0, 99, 1000, WIRE_NUMBER_MAX, WIRE_NUMBER_MAX + 1};
	uint32_t number = chance_below(c, 2) ? numbers[chance_below(c, ARRAY_LEN(numbers))]
					     : (uint32_t)chance_below(c, 64);
	struct piece p = some_piece(c, number, types[chance_below(c, ARRAY_LEN(types))]);

	insert(l, chance_below(c, 4) ? place_of(l, number) : chance_below(c, l->n + 1), p);
}

/* Add a field of the descriptor: empty or zero, or any; where it belongs, or anywhere. */
static void add_known(struct chance *c, const ProtobufCMessageDescriptor *desc, struct level *l)
{
	static const unsigned types[] = {WIRE_VARINT, WIRE_BYTES, WIRE_FIXED64, WIRE_FIXED32};
	const ProtobufCFieldDescriptor *field;
	struct piece p;

	if (desc->n_fields == 0) {
		add_unknown(c, l);
		return;
	}
	field = &desc->fields[chance_below(c, desc->n_fields)];
	p = some_piece(c, field->id, types[chance_below(c, ARRAY_LEN(types))]);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_BYTES ||
	    field->type == PROTOBUF_C_TYPE_STRING)
		p.type = chance_below(c, 8) ? WIRE_BYTES : p.type;
	else
		p.type = chance_below(c, 4) ? WIRE_VARINT : p.type;
	if (chance_below(c, 2)) {
		p.varint = 0;
		p.value.n = 0;
	}
	insert(l, chance_below(c, 4) ? place_of(l, p.number) : chance_below(c, l->n + 1), p);
}

/* All of the run of varints or fixed numbers that piece @p i stands in as one packed field. */
static void pack_run(struct level *l, size_t i)
{
	size_t first = i;
	size_t end = i + 1;
	struct buf all = {0};
	uint8_t *kept;

	while (first > 0 && l->piece[first - 1].number == l->piece[i].number)
		first--;
	while (end < l->n && l->piece[end].number == l->piece[i].number)
		end++;
	for (size_t j = first; j < end; j++) {
		if (l->piece[j].type == WIRE_VARINT)
			put_varint(&all, l->piece[j].varint, 0);
		else if (l->piece[j].value.n)
			ASSERT(buf_put_view(&all, l->piece[j].value) == ERR_OK);
	}
	kept = take(all.n);
	if (kept && all.n)
		memcpy(kept, buf_data(&all), all.n);
	l->piece[first] = (struct piece){.number = l->piece[i].number, .type = WIRE_BYTES};
	l->piece[first].value = view_of(kept, kept ? all.n : 0);
	memmove(&l->piece[first + 1], &l->piece[end], (l->n - end) * sizeof(l->piece[0]));
	l->n -= end - first - 1;
	buf_fini(&all);
}

/* One thing wrong with, or around, piece @p i. */
static void spoil_piece(struct chance *c, struct level *l, size_t i)
{
	struct piece *p = &l->piece[i];
	size_t other = chance_below(c, l->n);
	struct piece was = *p;

	switch (chance_below(c, 12)) {
	case 0:
		*p = l->piece[other];
		l->piece[other] = was;
		break;
	case 1:
		insert(l, chance_below(c, 2) ? i : chance_below(c, l->n + 1), was);
		break;
	case 2:
		memmove(p, p + 1, (l->n - i - 1) * sizeof(*p));
		l->n--;
		break;
	case 3:
		p->pad_tag = 1 + (unsigned)chance_below(c, 9);
		break;
	case 4:
		p->pad_length = p->pad_value = 1 + (unsigned)chance_below(c, 9);
		break;
	case 5:
		p->lie = chance_below(c, 2) ? 1 : -1;
		break;
	case 6:
		*p = some_piece(c, was.number, (unsigned)chance_below(c, 8));
		break;
	case 7:
		pack_run(l, i);
		break;
	case 8:
		p->number = (uint32_t)chance_below(c, 40);
		break;
	case 9:
		p->varint += chance_below(c, 2) ? UINT64_C(1) << 32 : UINT64_MAX << 32;
		break;
	default: /* most often another value of the same type */
		*p = some_piece(c, was.number, was.type);
		break;
	}
}

static const ProtobufCMessageDescriptor *inner_desc(const ProtobufCMessageDescriptor *desc,
						    const struct piece *p)
{
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (desc->fields[i].id == p->number &&
		    desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE && p->type == WIRE_BYTES)
			return desc->fields[i].descriptor;
	return NULL;
}

static void mutate_level(struct chance *c, const ProtobufCMessageDescriptor *desc, struct view in,
			 struct buf *out)
{
	struct level l;
	const ProtobufCMessageDescriptor *inner;
	size_t i;

	if (!read_level(in, &l)) {
		ASSERT(buf_put_view(out, in) == ERR_OK);
		mutate_bytes(c, out);
		return;
	}
	i = l.n ? chance_below(c, l.n) : 0;
	inner = l.n ? inner_desc(desc, &l.piece[i]) : NULL;
	if (inner && chance_below(c, 4)) {
		struct buf below = {0};

		mutate_level(c, inner, l.piece[i].value, &below);
		l.piece[i].value = buf_view(&below);
		put_level(out, &l);
		buf_fini(&below);
		return;
	}
	if (l.n == 0 || chance_below(c, 5) == 0)
		add_known(c, desc, &l);
	else if (chance_below(c, 8) == 0)
		add_unknown(c, &l);
	else
		spoil_piece(c, &l, i);
	put_level(out, &l);
}

void mutate_fields(struct chance *c, const ProtobufCMessageDescriptor *desc, struct view in,
		   struct buf *out)
{
	n_pool = 0;
	mutate_level(c, desc, in, out);
}

/* --- bytes ------------------------------------------------------------------------------- */

void mutate_bytes(struct chance *c, struct buf *b)
{
	size_t at = b->n ? chance_below(c, b->n) : 0;
	uint8_t *p;

	if (b->n == 0 || chance_below(c, 6) == 0) {
		ASSERT(buf_put_u8(b, (uint8_t)next(c)) == ERR_OK);
		return;
	}
	p = buf_data(b);
	switch (chance_below(c, 5)) {
	case 0:
		p[at] ^= (uint8_t)(1u << chance_below(c, 8));
		break;
	case 1:
		p[at] = (uint8_t)next(c);
		break;
	case 2:
		b->n = at;
		break;
	case 3:
		memmove(p + at, p + at + 1, b->n - at - 1);
		b->n--;
		break;
	default:
		for (size_t i = at; i < b->n && i < at + 8; i++)
			p[i] = (uint8_t)next(c);
		break;
	}
}
