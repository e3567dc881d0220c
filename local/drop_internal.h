/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of drop share; nobody else includes it. */
#ifndef DEADDROP_LOCAL_DROP_INTERNAL_H
#define DEADDROP_LOCAL_DROP_INTERNAL_H

#include "drop.h"

#define DROP_FOLDER_MAX 200	/* bytes of a folder's name: with a dot and a reader's additions it stays below NAME_MAX */

#endif
