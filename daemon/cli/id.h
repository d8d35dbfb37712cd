/**
 * @file
 * Ids as people give them: hexadecimal, whole or a beginning that only one has.
 */
#ifndef CLI_ID_H
#define CLI_ID_H

#include <stdint.h>

#include "cli/context.h"

#define ID_BYTES_MIN 4	/**< shorter beginnings would soon stand for several */
#define ID_BYTES_MAX 32 /**< of a referral; a record's has 16 */

/** An id or its beginning. */
struct id {
	uint8_t b[ID_BYTES_MAX];
	size_t n;
};

/** Read a referral's id or its beginning, which the node completes. @return exit code, said */
int id_read_referral(const char *text, struct id *ret);

/**
 * Read a record's id; a beginning is completed from the node's list of records.
 *
 * @return EX_OK; EX_USAGE: no id; EX_DATAERR: no record, or several, begin so; or as cli_call()
 */
int id_read_record(struct cli *cli, const char *text, struct id *ret);

/** The id as a field of a message that is sent and dropped at once. */
ProtobufCBinaryData id_field(const struct id *id);

#endif
