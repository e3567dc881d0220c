/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A mail whose last job is answered, or that found no channel with room: it is settled, or its entry waits. */
#ifndef DEADDROP_LANDING_H
#define DEADDROP_LANDING_H

#include "mail.h"

struct send;

void landing_mail(struct send *s, struct mail *m);
/* The journal no longer answers for this entry: it is final, or moved.  The entry is dropped unless it lives on in deferred/. */
void landing_close(struct send *s, struct file *f);

#endif
