/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A mailbox's local@domain among the tokens of a list: for address.c and address_plain.c. */
#ifndef DEADDROP_ADDRESS_SPEC_H
#define DEADDROP_ADDRESS_SPEC_H

#include "str.h"

/*
 * Takes [route:] local [@ domain] from the head of *rest, which is left right behind the last token taken.  local gets the local part
 * without any quoting, domain the domain or literal with its @, empty if there is none; both may be NULL.  0, or -1 (EINVAL: there is none,
 * or it goes wrong).
 */
int address_spec_take(struct span *rest, bool route, struct str *local, struct str *domain);

bool address_spec_is_text(unsigned char c);                     /* a byte of an unquoted local part, without the dot */
bool address_spec_is_domain(unsigned char c);                   /* a byte of a domain, without the dot */
bool address_spec_is_literal(struct span literal);              /* "[192.0.2.1]", "[IPv6:2001:db8::1]" */

#endif
