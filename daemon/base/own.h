/**
 * @file
 * Ownership: a local that owns something is CLEANUP(x_freep) from its declaration and leaves the
 * function by TAKE(p). The idiom protects only where it is always used.
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stddef.h>
#include <stdlib.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/** Hand the pointer on and leave NULL behind: `*ret = TAKE(p); return ERR_OK;`. */
#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) take_value_ = (p);                                                   \
		(p) = NULL;                                                                        \
		take_value_;                                                                       \
	})

/** Define x_freep(T **) from x_free(T *): what CLEANUP() calls. */
#define DEFINE_FREEP(type, fn)                                                                     \
	static inline void fn##p(type **p)                                                         \
	{                                                                                          \
		fn(*p);                                                                            \
		*p = NULL;                                                                         \
	}

static inline void freep(void *p)
{
	void **pp = p;

	free(*pp);
	*pp = NULL;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
