/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Groups of clients, and the rules of who may send what to whom: the first that fits decides.  Pure. */
#ifndef DEADDROP_SMTPD_RULES_H
#define DEADDROP_SMTPD_RULES_H

#include "conf.h"
#include "engine.h"
#include "peer.h"

#define RULES_GROUPS 32			/* group 0 is loopback */
#define RULES_TEXT_MAX 300
#define RULES_NAME_MAX 30		/* bytes of a group's name: those of all groups, with blanks between, fit an attribute */

struct rules;

struct rules_client {			/* what a rule may ask for */
	uint32_t groups;		/* bits: rules_groups */
	bool tls, auth;
	bool trusted;			/* loopback or authenticated: may do anything where there are no rules at all */
};

struct rules *rules_new(void);
void rules_free(struct rules *rules);
/* group NAME host PATTERN | address PATTERN | net CIDR …;  accept, reject.  As conf_verb's handle, arg is the rules. */
int rules_group(void *arg, const struct conf_node *node, struct str *error);
int rules_rule(void *arg, const struct conf_node *node, struct str *error);
/* The bits of the groups named by words from `from` on.  0, or -1 with error. */
int rules_mask(const struct rules *rules, const struct conf_node *node, size_t from, uint32_t *mask, struct str *error);
bool rules_need_names(const struct rules *rules);		/* a group asks for a host's name */
uint32_t rules_groups(const struct rules *rules, const struct peer *peer);
int rules_group_names(const struct rules *rules, uint32_t groups, struct str *out);	/* appends them with a blank between.  0 or -1 */
/* Leaves the answer as it is (yes) or says no.  Returns the line of the rule that decided, 0 for none. */
unsigned rules_decide(const struct rules *rules, const struct rules_client *client, struct span recipient, struct engine_answer *answer);

#endif
