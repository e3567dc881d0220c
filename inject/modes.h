/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The modes that hand nothing in.  Each returns a sysexits code, with error set where it is not 0. */
#ifndef DEADDROP_MODES_H
#define DEADDROP_MODES_H

#include "options.h"
#include "settings.h"

int modes_list(const struct options *options, const struct settings *settings, struct str *error);	/* becomes deaddrop-mailq */
int modes_smtp(const struct options *options, const struct settings *settings, struct str *error);	/* becomes deaddrop-smtpd */
/* out gets a line for each operand. */
int modes_verify(const struct options *options, const struct settings *settings, struct str *out, struct str *error);
int modes_flush(const struct options *options, const struct settings *settings, struct str *out, struct str *error);

#endif
