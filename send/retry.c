/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "retry.h"

#include "clock.h"

#define MINUTE (60 * CLOCK_SECOND)
#define HOUR (60 * MINUTE)

void
retry_default(struct retry *r)
{
	*r = (struct retry){
		.waits = { MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR },
		.count = 6,
		.until = 5 * 24 * HOUR,
		.warn = 4 * HOUR,
	};
}

uint64_t
retry_wait(const struct retry *r, uint32_t tries)
{
	size_t n = tries > 0 ? tries - 1 : 0;

	return r->waits[n < r->count ? n : r->count - 1];
}

uint64_t
retry_jitter(uint64_t wait, uint64_t seed)
{
	uint64_t range = wait / 5;

	/* A mixer (the finisher of splitmix64), so that seeds that differ in one bit spread over the whole range. */
	seed += UINT64_C(0x9e3779b97f4a7c15);
	seed = (seed ^ (seed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	seed = (seed ^ (seed >> 27)) * UINT64_C(0x94d049bb133111eb);
	seed ^= seed >> 31;
	return wait - wait / 10 + (range != 0 ? seed % (range + 1) : 0);
}

uint64_t
retry_longest(const struct retry *r)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->waits[i] > longest)
			longest = r->waits[i];
	return longest + longest / 10;
}

bool
retry_is_over(const struct retry *r, uint64_t waited)
{
	return waited >= r->until;
}
