/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "memory.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define OWN_BLOCK (1 << 20)
#define KEPT_AT_END (4 << 20)	/* so that bursts do not grow and shrink the heap again and again */

void memory_begin(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, OWN_BLOCK);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_AT_END);
#endif
}

void memory_give_back(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}
