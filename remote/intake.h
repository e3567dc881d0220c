/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Jobs from NAME.ctrl to the routes, and their outcomes back. */
#ifndef DEADDROP_REMOTE_INTAKE_H
#define DEADDROP_REMOTE_INTAKE_H

#include "dispatch.h"

struct intake;

/* idle is called when a connection is gone, and when there is no more work.  NULL: no memory. */
struct intake *intake_new(struct ctrl_hub *hub, const struct link_world *world, const struct route_table *table, loop_fn *idle, void *arg);
void intake_free(struct intake *intake);	/* NULL is allowed */
int intake_listen(struct intake *intake, int fd);
void intake_flush(struct intake *intake);	/* once a turn */
void intake_drain(struct intake *intake);
size_t intake_pending(const struct intake *intake);
size_t intake_connections(const struct intake *intake);

#endif
