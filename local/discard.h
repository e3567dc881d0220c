/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The discard kind of drop: the one way to lose mail on purpose. */
#ifndef DEADDROP_LOCAL_DISCARD_H
#define DEADDROP_LOCAL_DISCARD_H

#include "drop.h"

extern const struct drop_kind discard_kind;

#endif
