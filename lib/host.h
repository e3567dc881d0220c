/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The host's names, read before a chroot: the mail name is the first line of /etc/mailname, else the host name; neither needs DNS.  A value with bytes other than
 * letters, digits, '.', '-', '_' is "localhost".
 */
#ifndef DEADDROP_HOST_H
#define DEADDROP_HOST_H

#include "str.h"

int host_name(struct str *out);		/* appends gethostname's */
int host_mail_name(struct str *out);	/* appends the mail name */
int host_mail_name_of(struct str *out, const char *path);	/* the same with another file than /etc/mailname */

#endif
