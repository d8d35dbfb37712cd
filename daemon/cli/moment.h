/**
 * @file
 * Moments as people and programs write them; always UTC inside, in microseconds since 1970.
 */
#ifndef CLI_MOMENT_H
#define CLI_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define MOMENT_MAX 40 /**< bytes of a moment as text, with the NUL */

/**
 * Read `2026-11-22`, `2026-11-22T14:03Z`, `2026-11-22 14:03:59 UTC` or with an offset
 * `2026-11-22T15:03+01:00`. A time of day without zone is refused: whose clock would it be?
 *
 * @param text        NUL-terminated
 * @param is_end      of a day alone, its last microsecond and not its first (UTC)
 * @param[out] ret_us set on ERR_OK only
 * @retval ERR_FORMAT  anything else, days that there are not, years outside 1970..9999
 */
enum err moment_read(const char *text, bool is_end, uint64_t *ret_us) WARN_UNUSED;

/** As RFC 3339, `2026-11-22T14:03:22.000001Z`; years past 9999 are cut to it. Gives @p ret. */
const char *moment_write(uint64_t utc_us, char ret[MOMENT_MAX]);

/** What moment_write() wrote, for people: `2026-11-22 14:03 UTC`. Any other text stays. */
const char *moment_for_people(const char *written, char ret[MOMENT_MAX]);

#endif
