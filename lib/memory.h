/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DEADDROP_MEMORY_H
#define DEADDROP_MEMORY_H

/* Gives the kernel back what was freed, where the C library keeps it: glibc does between blocks that are in use. */
void memory_give_back(void);

#endif
