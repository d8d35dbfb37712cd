#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum err secret_new(struct view v, struct secret **ret)
{
	CLEANUP(freep) struct secret *s = calloc(1, sizeof(*s));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!s)
		return err_new(ERR_NOMEM, "secret");
	s->mapped = (v.n / page + 1) * page;
	s->p = mmap(NULL, s->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->p == MAP_FAILED)
		return err_new(ERR_NOMEM, "secret memory");
	/* Best effort: RLIMIT_MEMLOCK may be small; an unlocked key is better than no service. */
	(void)mlock(s->p, s->mapped);
	(void)madvise(s->p, s->mapped, MADV_DONTDUMP);
	s->n = v.n;
	if (v.n)
		memcpy(s->p, v.p, v.n);
	*ret = TAKE(s);
	return ERR_OK;
}

void secret_free(struct secret *s)
{
	if (!s)
		return;
	wipe(s->p, s->mapped);
	(void)munmap(s->p, s->mapped);
	free(s);
}

void wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
