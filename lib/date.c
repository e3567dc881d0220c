/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "date.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

int date_put(struct str *out, uint64_t microseconds)
{
	time_t seconds = (time_t)(microseconds / CLOCK_SECOND);
	struct tm tm;
	long minutes;

	if (localtime_r(&seconds, &tm) == NULL)
		return -1;
	if (tm.tm_year > 9999 - 1900) {
		errno = EOVERFLOW;
		return -1;
	}
	minutes = labs(tm.tm_gmtoff) / 60;
	return str_printf(out, "%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}
