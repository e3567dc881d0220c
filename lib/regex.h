/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Regular expressions (PCRE2, 8 bit).  The only user of libpcre2.  The interpreter, never the JIT: a jail has no executable memory.
 * A subject that is valid UTF-8 is matched by characters, any other by bytes (where the pattern itself says characters that no byte is, it does not match then).
 * "$" is the end of the subject alone, "." does not match LF, \w \d \s [:alpha:] mean ASCII.  A match costs a bounded number of steps and bytes.
 */
#ifndef DEADDROP_REGEX_H
#define DEADDROP_REGEX_H

#include "str.h"

#define REGEX_PATTERN_MAX 8192
#define REGEX_CAPTURES_MAX 32		/* the whole match included: a pattern with more is refused */

#define REGEX_NOCASE 1U			/* /…/i */

struct regex;

/* NULL with error ("missing closing parenthesis") and *offset, bytes into the pattern; either may be NULL. */
struct regex *regex_new(struct span pattern, unsigned flags, struct str *error, size_t *offset);
void regex_free(struct regex *regex);	/* NULL is allowed */
size_t regex_captures(const struct regex *regex);	/* groups, without the whole */

struct regex_match {
	size_t count;			/* regex_captures + 1 */
	struct span at[REGEX_CAPTURES_MAX];	/* [0]: the whole.  Views of the subject; data is NULL where a group took no part */
};

/* 1: it matches (somewhere; match may be NULL), 0: it does not, -1: ELOOP the limits were reached, ENOMEM, EINVAL. */
int regex_match(const struct regex *regex, struct span subject, struct regex_match *match);

/* Replacement text: $0 to $9 and ${n} are captures (one that took no part is empty), $$ is a dollar; any other $ is an error. */
struct regex_template;
/* captures: how many there will be (regex_captures; 0 where the pattern was a literal, then only $0 exists).  NULL with error: one that does not exist, a stray $. */
struct regex_template *regex_template_new(struct span text, size_t captures, struct str *error);
void regex_template_free(struct regex_template *template);
bool regex_template_fixed(const struct regex_template *template);	/* refers to no capture */
int regex_template_expand(const struct regex_template *template, const struct regex_match *match, struct str *out);	/* appends; 0 or -1 as str_append */

/* Appends subject with its first match (all: every one, left to right) replaced.  Number of replacements, or -1 as regex_match or str_append (out as it was). */
int regex_replace(const struct regex *regex, const struct regex_template *template, bool all, struct span subject, struct str *out);

#endif
