/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of this host, as its mail's addresses have them: read before the jail, without DNS. */
#ifndef DEADDROP_LOCAL_H
#define DEADDROP_LOCAL_H

#include "plan.h"

/* localhost, the host's name with and without its domain, its names in /etc/hosts, the mail name.  0 or -1 */
int local_names(struct plan *plan);
int local_names_of(struct plan *plan, struct span host, const char *hosts);	/* the same with another name and another /etc/hosts */

#endif
