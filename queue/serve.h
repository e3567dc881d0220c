/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The queue put together: the parts, from the options to the last file closed.
 */
#ifndef DEADDROP_SERVE_H
#define DEADDROP_SERVE_H

#include "stage.h"

/* The hooks of struct stage_program. */
void *serve_create(void);
void serve_destroy(void *self);
int serve_option(void *self, struct stage *stage, const char *name, const char *value, struct str *error);
int serve_prepare(void *self, struct stage *stage, struct str *error);
int serve_start(void *self, struct stage *stage, struct str *error);
void serve_drain(void *self, struct stage *stage);

#endif
