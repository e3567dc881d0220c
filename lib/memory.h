/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DEADDROP_MEMORY_H
#define DEADDROP_MEMORY_H

/* At a program's begin: blocks of 1 MiB and more are the kernel's own, whatever was freed before: what a table that has grown does not use yet takes no memory then. */
void memory_begin(void);
/* Gives the kernel back what was freed, where the C library keeps it: glibc does between blocks that are in use. */
void memory_give_back(void);

#endif
