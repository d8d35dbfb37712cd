#include "base/agency_id.h"

#include <string.h>

#define N_PREFIX (sizeof(AGENCY_ID_PREFIX) - 1)

static bool is_domain_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_name_char(uint8_t c)
{
	return is_domain_char(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
}

bool trust_domain_is_valid(struct view d)
{
	size_t start = 0;

	if (d.n == 0 || d.n > TRUST_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i <= d.n; i++) {
		if (i < d.n && d.p[i] != '.') {
			if (!is_domain_char(d.p[i]))
				return false;
			continue;
		}
		/* a label ends here */
		if (i == start || i - start > 63 || d.p[start] == '-' || d.p[i - 1] == '-')
			return false;
		start = i + 1;
	}
	return true;
}

static bool name_is_valid(struct view s)
{
	if (s.n == 0 || s.n > AGENCY_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_name_char(s.p[i]))
			return false;
	return !view_eq(s, view_str(".")) && !view_eq(s, view_str(".."));
}

enum err agency_id_parse(struct view text, struct agency_id *ret)
{
	const uint8_t *slash;
	struct view domain, name;

	if (text.n <= N_PREFIX || text.n > AGENCY_ID_MAX ||
	    memcmp(text.p, AGENCY_ID_PREFIX, N_PREFIX) != 0)
		return err_new(ERR_FORMAT, "agency id must be spiffe://<trust domain>/<agency>");
	slash = memchr(text.p + N_PREFIX, '/', text.n - N_PREFIX);
	if (!slash)
		return err_new(ERR_FORMAT, "agency id has no agency after its trust domain");
	domain = view_of(text.p + N_PREFIX, (size_t)(slash - text.p) - N_PREFIX);
	name = view_of(slash + 1, text.n - (size_t)(slash + 1 - text.p));
	if (!trust_domain_is_valid(domain))
		return err_new(ERR_FORMAT, "agency id: trust domain must be of [a-z0-9.-]");
	if (!name_is_valid(name))
		return err_new(ERR_FORMAT,
			       "agency id: agency must be one segment of [A-Za-z0-9._-]{1,64}");
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->text, text.p, text.n);
	ret->n_text = text.n;
	ret->n_domain = domain.n;
	return ERR_OK;
}

bool agency_id_eq(const struct agency_id *a, const struct agency_id *b)
{
	return a->n_text == b->n_text && memcmp(a->text, b->text, a->n_text) == 0;
}

int agency_id_cmp(const struct agency_id *a, const struct agency_id *b)
{
	return strcmp(a->text, b->text);
}

struct view agency_id_domain(const struct agency_id *id)
{
	return view_of(id->text + N_PREFIX, id->n_domain);
}

const char *agency_id_name(const struct agency_id *id)
{
	return id->text + N_PREFIX + id->n_domain + 1;
}

const char *agency_id_bare(const struct agency_id *id)
{
	return id->text + N_PREFIX;
}
