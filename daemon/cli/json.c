#include "cli/json.h"

#include <string.h>

#include "base/own.h"
#include "cli/moment.h"
#include "wire/message.h"

#define KEY_MAX 64
#define MOMENT_SUFFIX "_us"

static json_t *json_bytes(const ProtobufCBinaryData *bytes)
{
	CLEANUP(freep) char *hex = malloc(HEX_LEN(bytes->len));

	if (!hex)
		return NULL;
	hex_encode(view_of(bytes->data, bytes->len), hex);
	return json_string(hex);
}

/* A field "n_..." counts, however it ends. */
static bool is_moment(const ProtobufCFieldDescriptor *field)
{
	size_t n = strlen(field->name);
	size_t n_suffix = strlen(MOMENT_SUFFIX);

	return field->type == PROTOBUF_C_TYPE_UINT64 && n > n_suffix &&
	       strncmp(field->name, "n_", 2) != 0 &&
	       strcmp(field->name + n - n_suffix, MOMENT_SUFFIX) == 0;
}

static json_t *json_number(const ProtobufCFieldDescriptor *field, uint64_t value)
{
	char text[MOMENT_MAX];

	if (is_moment(field))
		return json_string(moment_write(value, text));
	/* Nothing that a node counts comes near 2^63. */
	return json_integer((json_int_t)value);
}

static json_t *json_enum(const ProtobufCFieldDescriptor *field, int value)
{
	const char *code = message_enum_code(field->descriptor, value);

	return code ? json_string(code) : json_integer(value);
}

/* One value; @p at points to it in the message's struct. */
static json_t *json_value(const ProtobufCFieldDescriptor *field, const void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return json_string(*(char *const *)at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return json_from_message(*(void *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return json_bytes(at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return json_enum(field, *(const int *)at);
	case PROTOBUF_C_TYPE_UINT64:
		return json_number(field, *(const uint64_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
		return json_number(field, *(const uint32_t *)at);
	case PROTOBUF_C_TYPE_SINT64:
		return json_integer((json_int_t) * (const int64_t *)at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	err_abort("the schema has no other type", __FILE__, __LINE__);
}

/* Bytes from one element of a repeated field to the next. */
static size_t element_size(const ProtobufCFieldDescriptor *field)
{
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return sizeof(ProtobufCBinaryData);
	if (field->type == PROTOBUF_C_TYPE_UINT64)
		return sizeof(uint64_t);
	if (field->type == PROTOBUF_C_TYPE_UINT32)
		return sizeof(uint32_t);
	if (field->type == PROTOBUF_C_TYPE_ENUM)
		return sizeof(int);
	if (field->type == PROTOBUF_C_TYPE_BOOL)
		return sizeof(protobuf_c_boolean);
	return sizeof(void *);
}

static json_t *json_list(const ProtobufCFieldDescriptor *field, const char *base)
{
	json_t *list = json_array();
	const char *first = *(const char *const *)(base + field->offset);
	size_t n = *(const size_t *)(base + field->quantifier_offset);

	for (size_t i = 0; list && i < n; i++) {
		if (json_array_append_new(list,
					  json_value(field, first + i * element_size(field)))) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

static bool is_set(const ProtobufCFieldDescriptor *field, const char *base)
{
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)(base + field->offset) != NULL;
	return *(const protobuf_c_boolean *)(base + field->quantifier_offset) != 0;
}

json_t *json_from_message(const void *message)
{
	const ProtobufCMessageDescriptor *desc = ((const ProtobufCMessage *)message)->descriptor;
	const char *base = message;
	json_t *object = json_object();

	for (unsigned int i = 0; object && i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
		char key[KEY_MAX];
		size_t n = strlen(field->name) - (is_moment(field) ? strlen(MOMENT_SUFFIX) : 0);

		if (!is_list && !is_set(field, base))
			continue;
		ASSERT(n < sizeof(key));
		memcpy(key, field->name, n);
		key[n] = '\0';
		if (json_object_set_new(object, key,
					is_list ? json_list(field, base)
						: json_value(field, base + field->offset))) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

const json_t *json_at(const json_t *object, const char *path)
{
	char key[KEY_MAX];

	while (object) {
		size_t n = strcspn(path, ".");

		ASSERT(n < sizeof(key));
		memcpy(key, path, n);
		key[n] = '\0';
		object = json_object_get(object, key);
		if (path[n] == '\0')
			return object;
		path += n + 1;
	}
	return NULL;
}
