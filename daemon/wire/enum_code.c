/* Codes of enums: found in the code lists, which are made from the same .proto files. */
#include <ctype.h>
#include <string.h>

#include "wire/codelist.h"
#include "wire/message.h"

#define NAME_MAX_BYTES 64

/* The code list of an enum has its name in snake_case: ReferralType is "referral_type". */
static const struct codelist *codes_of(const ProtobufCEnumDescriptor *desc)
{
	char name[NAME_MAX_BYTES];
	size_t n = 0;

	for (const char *p = desc->short_name; *p; p++) {
		ASSERT(n + 2 < sizeof(name));
		if (isupper((unsigned char)*p) && p != desc->short_name)
			name[n++] = '_';
		name[n++] = (char)tolower((unsigned char)*p);
	}
	name[n] = '\0';
	return codelist_find(name);
}

const char *message_enum_code(const ProtobufCEnumDescriptor *desc, int value)
{
	const struct codelist *codes = codes_of(desc);

	return codes ? codelist_code_of(codes, value) : NULL;
}
