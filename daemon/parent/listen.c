#include "parent/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define BACKLOG 512

static enum err refuse(const struct config_address *a, const char *why,
		       struct config_problem *problem)
{
	problem->line = a->line;
	(void)snprintf(problem->text, sizeof(problem->text), "cannot listen on %s port %u: %s",
		       a->host, a->port, why);
	return err_new(ERR_CONFIG, "%s", problem->text);
}

static const char *reason(void)
{
	const char *text = strerrordesc_np(errno);

	return text ? text : "";
}

static void say(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t n = sizeof(at);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&at, &n) == 0 &&
	    getnameinfo((const struct sockaddr *)&at, n, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		log_line(LOG_NOTICE, "listening address=%s port=%s", host, port);
}

static int bind_one(const struct addrinfo *a)
{
	const int yes = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
	    (a->ai_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) == 0) &&
	    bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static enum err listen_one(const struct config_address *a, int *ret, struct config_problem *problem)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	char port[8];
	int failed;

	(void)snprintf(port, sizeof(port), "%u", a->port);
	failed = getaddrinfo(a->host, port, &hints, &found);
	if (failed)
		return refuse(a, gai_strerror(failed), problem);
	*ret = bind_one(found);
	freeaddrinfo(found);
	if (*ret < 0)
		return refuse(a, reason(), problem);
	say(*ret);
	return ERR_OK;
}

enum err listeners_open(const struct config *c, struct listeners *ret,
			struct config_problem *problem)
{
	ret->n = 0;
	for (size_t i = 0; i < c->n_listen; i++) {
		enum err e = listen_one(&c->listen[i], &ret->fd[ret->n], problem);

		if (e)
			return err_trace(e);
		ret->n++;
	}
	return ERR_OK;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		(void)close(l->fd[i]);
	l->n = 0;
}
