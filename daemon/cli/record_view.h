/**
 * @file
 * What is held of a record, shown: as JSON of the schema inside the row that describes it, and for
 * people with the labels of the field table.
 */
#ifndef CLI_RECORD_VIEW_H
#define CLI_RECORD_VIEW_H

#include <jansson.h>

#include "cli/context.h"

/**
 * The row as JSON, its `record` as the JSON that `record import` takes.
 *
 * @param[out] ret  a new reference; set on EX_OK only
 * @return EX_OK, EX_PROTOCOL (said: what came is no such record), EX_OSERR
 */
int record_view_json(const struct pb_record_content *content, json_t **ret);

/** Print the fields of `record` in what record_view_json() made; nothing when there is none. */
int record_view_print(struct cli *cli, const json_t *content);

#endif
