#include <arpa/inet.h>
#include <string.h>

#include "config/internal.h"

#define HOST_MAX 253

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.';
}

/** Only digits and dots: an address, never a name ("127.1" would be read in surprising ways). */
static bool is_numeric(const char *host)
{
	return host[strspn(host, "0123456789.")] == '\0';
}

static bool host_is_valid(const char *host, bool in_brackets)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (in_brackets)
		return inet_pton(AF_INET6, host, bytes) == 1;
	if (is_numeric(host))
		return inet_pton(AF_INET, host, bytes) == 1;
	if (host[0] == '-' || host[0] == '.' || strstr(host, ".."))
		return false;
	for (const char *p = host; *p; p++)
		if (!is_name_char(*p))
			return false;
	return true;
}

static bool port_parse(const char *text, uint16_t *ret)
{
	uint32_t port = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + (uint32_t)(*text - '0');
		if (port > UINT16_MAX)
			return false;
	}
	*ret = (uint16_t)port;
	return true;
}

/** Cut "host:port" into a host, at most HOST_MAX bytes, and what follows the colon. */
static bool split(const char *text, char host[HOST_MAX + 1], bool *ret_in_brackets,
		  const char **ret_port)
{
	bool in_brackets = text[0] == '[';
	const char *start = text + in_brackets;
	const char *end = strchr(start, in_brackets ? ']' : ':');
	size_t n = end ? (size_t)(end - start) : 0;

	if (n == 0 || n > HOST_MAX || (in_brackets && end[1] != ':'))
		return false;
	memcpy(host, start, n);
	host[n] = '\0';
	*ret_in_brackets = in_brackets;
	*ret_port = end + 1 + in_brackets;
	return true;
}

enum err config_address_read(const struct config_reader *r, yaml_ref node, uint16_t port_min,
			     struct config_address *ret)
{
	char host[HOST_MAX + 1], quoted[YAML_QUOTE_MAX];
	const char *text, *port_text;
	bool in_brackets;
	uint16_t port;
	enum err e = yaml_check_kind(r->yaml, node, YAML_TEXT, "an address", r->problem);

	if (e)
		return err_trace(e);
	text = yaml_text(r->yaml, node);
	if (!split(text, host, &in_brackets, &port_text) || !host_is_valid(host, in_brackets) ||
	    !port_parse(port_text, &port))
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "%s is no address: write host:port, an IPv6 address in brackets "
				 "and all in quotes: \"[::1]:8443\"",
				 yaml_quote(text, quoted));
	if (port < port_min)
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "port 0 is for listening only: write the port that the peer "
				 "listens on");
	ret->host = strdup(host);
	if (!ret->host)
		return config_no_memory(r->problem);
	ret->port = port;
	ret->line = yaml_line(r->yaml, node);
	return ERR_OK;
}
