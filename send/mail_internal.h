/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files mail_*.c share. */
#ifndef DEADDROP_MAIL_INTERNAL_H
#define DEADDROP_MAIL_INTERNAL_H

#include "mail.h"

int mail_keep_text(struct mail *m, struct span text, struct text_part *part);	/* 0 or -1 */
bool mail_same_text(const struct mail *m, struct text_part a, struct text_part b);
struct target *mail_target_new(struct mail *m);		/* at the end; NULL: no memory */
int mail_target_room(struct mail *m, size_t cap);	/* for so many.  0 or -1 */
void mail_sort_targets(struct mail *m);

#endif
