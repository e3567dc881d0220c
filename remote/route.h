/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What remote.conf says, or the options: drops, each with its servers and how to deal with them. */
#ifndef DEADDROP_REMOTE_ROUTE_H
#define DEADDROP_REMOTE_ROUTE_H

#include "conf.h"
#include "exposed.h"
#include "keeper.h"
#include "session.h"
#include "tls.h"

#define ROUTE_RELAYS_MAX 16
#define ROUTE_NAME_MAX 100
#define ROUTE_CONNECTIONS_MAX 64
#define ROUTE_DEADLINE (840 * CLOCK_SECOND)

enum route_tls { ROUTE_TLS_UNSET, ROUTE_TLS_NONE, ROUTE_TLS_STARTTLS, ROUTE_TLS_IMPLICIT };

struct relay {
	char *host;			/* a name or a literal without brackets; NULL: path */
	char *path;			/* of a UNIX socket */
	unsigned port;
	enum route_tls tls;
	char *text;			/* for outcomes and logs: "smtp.example.net:587" */
	int socket;			/* in the keeper's list */
};

struct route {
	struct route *next;
	char *name;
	bool lmtp;
	struct relay relays[ROUTE_RELAYS_MAX];
	size_t relay_count;
	/* TLS */
	enum route_tls tls;		/* of relays that say nothing */
	bool verify;
	char *ca_file, *certificate, *key;
	char *pins[TLS_PINS_MAX];
	size_t pin_count;
	struct tls_trust *trust;
	struct tls_context *context;	/* NULL: no relay with TLS */
	/* login */
	char *user, *authorize, *mechanisms;
	char *password_file, *token_file;
	char **token_command;		/* a NULL-terminated argv */
	int secret;			/* in the keeper's list: the file or the command; -1: none */
	bool clear;			/* show a password to a server that was not verified */
	/* manners */
	char *ehlo_name;		/* NULL: the table's */
	unsigned connections, messages;	/* at once; on one connection */
	uint64_t idle;			/* microseconds that a connection is kept without work */
	uint64_t rate, rate_time;	/* messages in that time; 0: no limit */
	uint64_t backoff_least, backoff_most;
	uint64_t deadline;		/* of one attempt on one message */
	uint64_t timeout;		/* a limit on each wait; 0: those of RFC 5321 */
	bool no_pipelining, no_chunking, refuse_eight_bit, refuse_long_lines;
};

struct route_table {
	struct route *first;
	char *name;			/* for EHLO, as configured; NULL: found out */
	char *file;			/* for messages */
	struct exposed exposed;		/* what is wrong with the files of secrets */
};

struct route *route_new(const char *name);		/* with the defaults; NULL: no memory */
void route_free(struct route *route);
void route_table_free(struct route_table *table);
struct route *route_find(const struct route_table *table, struct span name);
bool route_needs_login(const struct route *route);
bool route_needs_names(const struct route *route);	/* a relay's host is not a literal */

/* "HOST", "HOST:PORT", "[2001:db8::1]:25" or, for LMTP, "/PATH"; port 0 where there is none.  0, or -1 with error. */
int route_add_relay(struct route *route, const char *text, uint64_t port, enum route_tls tls, struct str *error);
int route_add_pin(struct route *route, const char *text, struct str *error);	/* 0, or -1 with error: it is none, or one too many */
int route_tls_mode(const char *text, enum route_tls *mode);	/* none, starttls, implicit */
/* To be called when all is said: fills in what follows from the rest, refuses what does not go together. */
int route_complete(struct route *route, struct str *error);
/* Before the jail: opens CA files and certificates; adds what the keeper is to do. */
int route_open(struct route *route, struct keeper_list *list, uid_t uid, gid_t gid, struct str *error);

/* route_config.c: reads remote.conf.  0, or -1 with error. */
int route_table_read(struct route_table *table, const char *file, struct str *error);

#endif
