/**
 * @file
 * Files that the user names.
 */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include "base/buf.h"

/**
 * Read a file, or standard input for "-", whole. Says what is wrong itself.
 *
 * @param limit     most bytes
 * @param[out] ret  filled; the caller ends it with buf_fini()
 * @return EX_OK, EX_NOINPUT (missing, not readable), EX_DATAERR (empty, over @p limit), EX_IOERR
 */
int file_read(const char *name, size_t limit, struct buf *ret);

/** What messages call the file: "standard input" for "-". */
const char *file_title(const char *name);

#endif
