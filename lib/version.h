/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DEADDROP_VERSION_H
#define DEADDROP_VERSION_H

#define DEADDROP_VERSION "0.1"

#endif
