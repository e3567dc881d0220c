/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stage's hooks. */
#ifndef DEADDROP_SMTPD_SERVE_H
#define DEADDROP_SMTPD_SERVE_H

#include "stage.h"

void *serve_create(void);
void serve_destroy(void *self);
int serve_option(void *self, struct stage *stage, const char *name, const char *value, struct str *error);
int serve_told(void *self, struct stage *stage, struct descriptors *told, struct str *error);
int serve_prepare(void *self, struct stage *stage, struct str *error);
int serve_check(void *self, struct stage *stage, struct str *error);
int serve_start(void *self, struct stage *stage, struct str *error);
void serve_drain(void *self, struct stage *stage);

#endif
