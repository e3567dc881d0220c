/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message on its way to an SMTP or LMTP server: LF, CR and CRLF all leave as CRLF, so that no bare LF or CR is ever on the wire; a dot that begins a line after any of
 * them is doubled; a header line of over DOTS_LINE_MAX octets is folded at its last blank that fits.  All other bytes are kept.  Pure: bytes in any pieces give the same output.
 *
 * The header ends at an empty line, or before a line that is neither field nor continuation.  A line without a blank to fold at stays as it is, and so do lines of the body.
 */
#ifndef DEADDROP_DOTS_H
#define DEADDROP_DOTS_H

#include "str.h"

#define DOTS_LINE_MAX 998		/* octets of a line without its CRLF (RFC 5322 2.1.1) */
#define DOTS_GROWTH 2			/* the output of a call is at most that many times its input … */
#define DOTS_EXTRA 4096			/* … and this */

struct dots {
	/* The caller's, between dots_init and the first write: */
	bool stuff;			/* double dots, and end with the line that has one alone; else (BDAT) neither */
	/* What was found out so far: */
	uint64_t bytes;			/* written, without the doubled dots and the last line: what SIZE (RFC 1870) and BDAT count */
	uint64_t longest;		/* octets of the longest line, without CRLF */
	bool eight_bit;			/* bytes from 0x80 … */
	bool header_eight_bit;		/* … in the header */
	bool nul;
	/* Its own: */
	bool header;
	bool cr;			/* the last byte was CR, whose line end was written */
	uint64_t column;		/* octets of the line that is being written */
	bool overflow;			/* the header's line has no blank to be folded at up to here */
	struct str line;		/* the header's line that is not written yet */
};

void dots_init(struct dots *dots);
void dots_free(struct dots *dots);
/* Appends to out; NULL: only find out.  0, or -1 as str_append: the message is spoilt then. */
int dots_write(struct dots *dots, struct str *out, struct span bytes);
int dots_end(struct dots *dots, struct str *out);

#endif
