/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accounts: the drops of imap.conf.  Read before the jail, as root where the files demand it; what is needed later goes through the keeper.
 */
#ifndef DEADDROP_IMAP_ACCOUNT_H
#define DEADDROP_IMAP_ACCOUNT_H

#include "conf.h"
#include "descriptors.h"
#include "exposed.h"
#include "keeper.h"
#include "tls.h"

#define ACCOUNT_NAME_MAX 64
#define ACCOUNT_SECRET_MAX 12000	/* bytes of a password or token */

enum account_tls { ACCOUNT_TLS_UNSET, ACCOUNT_TLS_IMPLICIT, ACCOUNT_TLS_START, ACCOUNT_TLS_NONE };

struct account {
	struct account *next;
	char *name;
	char *host, *port;
	char *user, *authorize;
	struct str password;		/* read at the start; wiped at the end */
	int password_command, token_file, token_command, tunnel;	/* the keeper's indexes, -1: none */
	char *mailbox;
	char *flags;			/* between the parentheses, or "" */
	bool create, subscribe, utf8;
	bool date_arrival;		/* the internal date is the arrival's; else the server's now … */
	bool date_header;		/* … or that of the header's field Date, if it is one */
	enum account_tls tls;
	struct tls_context *context;
	struct tls_trust *trust;
	unsigned pins;
	bool verify_none;
	char *ca_file, *certificate, *key;
	char *sasl;			/* mechanisms that may be used, NULL: all */
	char separator;			/* 0: ask */
	char *prefix;			/* NULL: ask */
	unsigned connections;
	uint64_t keep_alive, timeout;	/* microseconds */
	uint64_t settle;		/* microseconds between the loss of a connection and the look for what it may have stored */
	uint64_t limit;			/* bytes of a message; 0: the server's word only */
	bool too_big_note;		/* of a message that is too big the header is stored, with a note */
};

struct account_table {
	struct account *first;
	struct keeper_list *keeper;
	char *source;			/* the configuration's name, for messages */
	uid_t command_uid;		/* whom commands run as */
	gid_t command_gid;
	struct exposed exposed;		/* what is wrong with the files of secrets */
};

/* Which descriptors the passwords are behind.  0, or -1 with error. */
int account_descriptors(const struct conf *conf, struct descriptors *fds, struct str *error);
/* Takes the accounts of an imap.conf; keeper and the command ids are set.  0, or -1 with error ("file:line: …"). */
int account_read(struct account_table *table, const struct conf *conf, struct str *error);
void account_free(struct account_table *table);
const struct account *account_find(const struct account_table *table, struct span name);

#endif
