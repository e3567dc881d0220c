/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of mailboxes: UTF-8 in the configuration, modified UTF-7 (RFC 3501 section 5.1.3) on the wire; levels are separated by slashes in the configuration and by
 * what the server says on the wire, below the server's prefix for personal mailboxes.  Pure.
 */
#ifndef DEADDROP_IMAP_MAILBOX_H
#define DEADDROP_IMAP_MAILBOX_H

#include "str.h"

#define MAILBOX_MAX 1000		/* bytes of a name, either form */

/* Both append; -1 EINVAL: no valid UTF-8, or a name that is not in the one right form. */
int mailbox_encode(struct str *out, struct span utf8);
int mailbox_decode(struct str *out, struct span wire);

/*
 * The wire form of a configured name.  separator: the server's, 0 where it has no levels; prefix: of the personal namespace, as the server said it ("INBOX.").
 * "INBOX" in any case, alone or as the first level, is the inbox and gets no prefix.  utf8: the server has UTF8=ACCEPT enabled, the name is not encoded.
 * -1 EINVAL: a level is empty or holds the separator or a control character, or levels are wanted where there are none.
 */
int mailbox_wire(struct str *out, struct span name, char separator, struct span prefix, bool utf8);

/* Appends a string for a command: an atom-like name or anything else quoted.  -1 EINVAL: it needs a literal (8 bit unless utf8, CR, LF) or cannot be sent (NUL). */
int mailbox_quote(struct str *out, struct span text, bool utf8);

#endif
