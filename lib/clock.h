/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two clocks, in microseconds.  Deadlines use boot time, which never steps and runs on through suspend; what is written down
 * uses wall time.
 */
#ifndef DEADDROP_CLOCK_H
#define DEADDROP_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND UINT64_C(1000000)
#define CLOCK_NEVER UINT64_MAX

uint64_t clock_boot(void);
uint64_t clock_wall(void);

#endif
