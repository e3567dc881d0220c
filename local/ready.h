/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the stage has to have, or be, for a drop before it is in its jail. */
#ifndef DEADDROP_LOCAL_READY_H
#define DEADDROP_LOCAL_READY_H

#include "drop.h"
#include "stage.h"

/* Makes the drop's directories, joins its group, and has the sandbox allow its paths.  0, or a sysexits code with error. */
int ready_drop(const struct drop *drop, struct stage *stage, struct str *error);
/* Whom a drop's program runs as.  0, or -1 with error. */
int ready_program(struct drop *drop, struct stage *stage, struct str *error);
/* Changes nothing.  0, or a sysexits code with error. */
int ready_check(struct drop *drop, struct stage *stage, struct str *error);

#endif
