#include "cli/moment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_US UINT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define LAST_US (UINT64_C(253402300800) * SECOND_US - 1) /* of the year 9999 */

/* Take exactly @p n digits; false when there are none or the number is outside low..high. */
static bool take_number(const char **at, int n, int low, int high, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		value = value * 10 + (**at - '0');
	}
	*ret = value;
	return value >= low && value <= high;
}

static bool take_char(const char **at, const char *one_of)
{
	if (!**at || !strchr(one_of, **at))
		return false;
	(*at)++;
	return true;
}

static bool take_day(const char **at, struct tm *ret)
{
	struct tm t = {0};
	time_t s;

	if (!take_number(at, 4, 1970, 9999, &t.tm_year) || !take_char(at, "-") ||
	    !take_number(at, 2, 1, 12, &t.tm_mon) || !take_char(at, "-") ||
	    !take_number(at, 2, 1, 31, &t.tm_mday))
		return false;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	*ret = t;
	/* timegm() makes 1 December of 31 November. */
	s = timegm(&t);
	return s >= 0 && t.tm_mday == ret->tm_mday;
}

static bool take_time(const char **at, struct tm *t)
{
	if (!take_number(at, 2, 0, 23, &t->tm_hour) || !take_char(at, ":") ||
	    !take_number(at, 2, 0, 59, &t->tm_min))
		return false;
	return !take_char(at, ":") || take_number(at, 2, 0, 59, &t->tm_sec);
}

/* What the clock of the text is ahead of UTC. */
static bool take_zone(const char **at, int *ret_s)
{
	bool is_behind = **at == '-';
	int hours, minutes;

	*ret_s = 0;
	if (strcmp(*at, "Z") == 0 || strcmp(*at, " UTC") == 0) {
		*at += strlen(*at);
		return true;
	}
	if (!take_char(at, "+-") || !take_number(at, 2, 0, 14, &hours) || !take_char(at, ":") ||
	    !take_number(at, 2, 0, 59, &minutes))
		return false;
	*ret_s = (hours * 60 + minutes) * (is_behind ? -60 : 60);
	return true;
}

enum err moment_read(const char *text, bool is_end, uint64_t *ret_us)
{
	struct tm t;
	int ahead_s;
	int64_t s;

	if (!take_day(&text, &t))
		return err_new(ERR_FORMAT, "no day");
	if (!*text) {
		*ret_us = (uint64_t)timegm(&t) * SECOND_US + (is_end ? DAY_US - 1 : 0);
		return ERR_OK;
	}
	if (!take_char(&text, "T ") || !take_time(&text, &t) || !take_zone(&text, &ahead_s) ||
	    *text)
		return err_new(ERR_FORMAT, "no time of day with its zone");
	s = (int64_t)timegm(&t) - ahead_s;
	if (s < 0 || (uint64_t)s > LAST_US / SECOND_US)
		return err_new(ERR_FORMAT, "outside 1970..9999");
	*ret_us = (uint64_t)s * SECOND_US;
	return ERR_OK;
}

const char *moment_write(uint64_t utc_us, char ret[MOMENT_MAX])
{
	uint64_t us = utc_us < LAST_US ? utc_us : LAST_US;
	time_t s = (time_t)(us / SECOND_US);
	struct tm t;
	size_t n;

	ASSERT(gmtime_r(&s, &t));
	n = strftime(ret, MOMENT_MAX, "%Y-%m-%dT%H:%M:%S", &t);
	(void)snprintf(ret + n, MOMENT_MAX - n, ".%06" PRIu64 "Z", us % SECOND_US);
	return ret;
}

const char *moment_for_people(const char *written, char ret[MOMENT_MAX])
{
	if (strlen(written) == strlen("2026-11-22T14:03:22.000001Z"))
		(void)snprintf(ret, MOMENT_MAX, "%.10s %.5s UTC", written, written + 11);
	else
		(void)snprintf(ret, MOMENT_MAX, "%s", written);
	return ret;
}
