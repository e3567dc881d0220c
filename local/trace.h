/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The trace of a delivery: the fields that it adds, and the loops that earlier ones show. */
#ifndef DEADDROP_LOCAL_TRACE_H
#define DEADDROP_LOCAL_TRACE_H

#include "deliver.h"

#define TRACE_HOPS_MAX 100		/* Received fields */
#define TRACE_HEADER_MAX (256U * 1024)	/* bytes of header that are looked at where they are not inline */
/* What trace_put may append at most */
#define TRACE_MAX ((1024U + 32) * (DELIVER_RECIPIENTS_MAX + 1))

/* Appends Return-Path (unless nobody said who the sender is) and a Delivered-To for each recipient that takes part. */
int trace_put(struct str *out, const struct deliver_job *job);
/* The same for recipient n alone. */
int trace_put_one(struct str *out, const struct deliver_job *job, size_t n);
/* Settles (never, 5.4.6) the recipients to whom this message was delivered before, or all if it went over too many hosts.  0, or -1:
 * result says later. */
int trace_check(struct deliver_job *job);
/* By hand: takes from the head of the header what the calling system wrote of this very delivery, for it is no earlier one's and is
 * written anew: Return-Path where the sender is known, one Delivered-To of each recipient of the job.  0 or -1 ENOMEM. */
int trace_take_over(struct deliver_job *job);

#endif
