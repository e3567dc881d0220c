/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tokens of the configuration grammar; for conf.c alone. */
#ifndef DEADDROP_CONF_LEX_H
#define DEADDROP_CONF_LEX_H

#include "conf.h"

enum conf_lex_token { CONF_LEX_END, CONF_LEX_BREAK, CONF_LEX_OPEN, CONF_LEX_CLOSE, CONF_LEX_WORD, CONF_LEX_BAD };

struct conf_lex {
	const char *at, *end;
	unsigned line;			/* of at */
	/* The last token: */
	unsigned token_line;
	struct str text;		/* a word's bytes, quotes removed */
	struct span raw;		/* where it stands */
	enum conf_kind kind;
	bool quoted;
	const char *bad;		/* what was expected */
};

int conf_lex_init(struct conf_lex *lex, struct span text);	/* text must live as long; 0 or -1 ENOMEM */
enum conf_lex_token conf_lex_next(struct conf_lex *lex);
void conf_lex_free(struct conf_lex *lex);			/* wipes */

#endif
