/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration grammar, one for every file (deaddrop.conf(5)): a directive a line; words split at blanks; shell quoting ('…' literal, "…"
 * with \" and \\, and \ before a byte outside quotes); # at a word's begin comments; a backslash at the line's end continues; ; ends a directive
 * like a newline; WORD… { … } groups; /…/ and /…/i is a regular expression (\/ is a slash in it).  Pure: text in, tree out.
 *
 * A word that begins with an unquoted slash is a regular expression if the next slash on its line that has no backslash before it ends a word (an i may
 * stand between), and a path if not: /backup failed/i is one, /etc/aliases and /var/mail/ are none.  Only /tmp/ and /run/i can be meant either way:
 * a handler that wants a path asks conf_path, one that wants a pattern conf_is_pattern.
 */
#ifndef DEADDROP_CONF_H
#define DEADDROP_CONF_H

#include <sys/types.h>

#include "str.h"

#define CONF_FILE_MAX (1024U * 1024)
#define CONF_WORDS_MAX 4096	/* of a directive */
#define CONF_DEPTH_MAX 8	/* groups within groups */
#define CONF_MANY SIZE_MAX	/* most of a verb that takes any number of words */

enum conf_kind { CONF_PLAIN, CONF_REGEX, CONF_REGEX_NOCASE };

struct conf_word {
	char *text;			/* NUL-terminated; NUL bytes in a file are an error.  Of a regular expression, what stands between the slashes */
	size_t len;
	char *raw;			/* a regular expression as it stands in the file, slashes included; else the same as text */
	enum conf_kind kind;
	unsigned line;
	bool quoted;			/* any part of it was: "{" is a word, { a group */
	bool slash;			/* it begins with a slash that is not quoted */
};

struct conf_node {			/* one directive */
	struct conf *conf;
	unsigned line;
	struct conf_word *words;	/* words[0] is the directive's name */
	size_t count;
	bool group;			/* it has a { } group, which may be empty */
	struct conf_node *children;	/* the group's first, or NULL */
	struct conf_node *next;
};

struct conf {
	char *file;			/* as it was named */
	struct conf_node *first;
};

/* NULL where the text is wrong: error says "file:line: what was expected". */
struct conf *conf_parse(const char *file, struct span text, struct str *error);
/* Reads and parses a file.  A missing one: NULL, errno ENOENT, error set as well. */
struct conf *conf_load(const char *file, struct str *error);
void conf_free(struct conf *conf);	/* NULL is allowed; wipes the text, for it may hold secrets */

/* Directives are handled through a table: each verb's function gets the node.  0, or -1 with error set (by conf_error). */
struct conf_verb {
	const char *name;
	size_t least, most;		/* words after the name */
	bool group;			/* whether it may have a { } group */
	int (*handle)(void *arg, const struct conf_node *node, struct str *error);
};

/* Walks nodes; unknown verbs and wrong counts become errors with file:line that list what is known.  verbs end with a NULL name. */
int conf_walk(const struct conf_node *first, const struct conf_verb *verbs, void *arg, struct str *error);

/* error := "file:line: text"; returns -1, so that a handler can end with it. */
int conf_error(const struct conf_node *node, struct str *error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The word as a path: /tmp/ and /run/i are paths to a handler that wants one.  NULL where a blank stands between the slashes: it must be quoted, say so. */
const char *conf_path(const struct conf_word *word);
/* False where a word begins with an unquoted slash without being a regular expression: /a/b/ in place of /a\/b/, or one that is not closed. */
bool conf_is_pattern(const struct conf_word *word);

/* Values.  0, or -1 where the word is none. */
int conf_number(const struct conf_word *word, uint64_t max, uint64_t *value);
int conf_bytes(const struct conf_word *word, uint64_t *value);          /* 25M: K, M, G are powers of 1024 */
int conf_duration(const struct conf_word *word, uint64_t *microseconds);/* 90, 15m, 4h, 5d, 2w; plain numbers are seconds */
int conf_mode(const struct conf_word *word, mode_t *mode);              /* octal */
int conf_bool(const struct conf_word *word, bool *value);               /* yes no */
int conf_bytes_text(const char *text, uint64_t *value);                 /* the same for options */
int conf_duration_text(const char *text, uint64_t *microseconds);
int conf_mode_text(const char *text, mode_t *mode);

#endif
