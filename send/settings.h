/* SPDX-License-Identifier: GPL-3.0-or-later */
/* send's options, and what is done before the jail: the configuration, the group of operators, the sandbox's list. */
#ifndef DEADDROP_SETTINGS_H
#define DEADDROP_SETTINGS_H

#include "stage.h"

extern const struct stage_option settings_options[];

int settings_option(void *self, struct stage *stage, const char *name, const char *value, struct str *error);
int settings_operand(void *self, struct stage *stage, const char *value, struct str *error);
int settings_prepare(void *self, struct stage *stage, struct str *error);
int settings_check(void *self, struct stage *stage, struct str *error);

#endif
