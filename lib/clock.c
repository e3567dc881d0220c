/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	/* fails only for a clock that the kernel does not have; both are older than everything else that is used here */
	if (clock_gettime(id, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}
