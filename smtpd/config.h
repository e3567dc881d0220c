/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smtpd.conf, and what the options say in its place; see deaddrop-smtpd(8). */
#ifndef DEADDROP_SMTPD_CONFIG_H
#define DEADDROP_SMTPD_CONFIG_H

#include "engine.h"
#include "exposed.h"
#include "login.h"
#include "rules.h"
#include "tls.h"

#define CONFIG_LISTEN_MAX 16

struct config_listen {
	char *address;			/* an IP address, or NULL */
	char *path;			/* of a UNIX socket, or NULL */
	unsigned port;
	mode_t mode;
	gid_t group;			/* (gid_t)-1: leave it */
};

struct config {
	struct engine_setup engine;	/* what it points to is kept here */
	struct str name;
	struct rules *rules;
	struct login_secrets *secrets;	/* NULL: no AUTH */
	struct tls_context *tls;	/* NULL: no TLS */
	struct config_listen listen[CONFIG_LISTEN_MAX];
	size_t listen_count;
	unsigned connections, per_client;
	uint64_t timeout;		/* microseconds for a command, or between two pieces of a message */
	uint64_t session;		/* for all of it */
	struct engine_answer timeout_answer, session_answer;	/* in place of ours, where code is not 0 */
	uint64_t wait;			/* for a queue that is away */
	uint64_t buffer;		/* bytes of messages in memory */
	bool fcrdns, need_tls, need_auth;
	bool hide;			/* no client in Received */
	bool trace, hex;		/* debug commands; in hexadecimal */
	bool trace_body, trace_rules;
	uint32_t normalise, xclient, proxy;	/* groups */
	uint32_t allow;			/* groups that may connect; 0: all */
	struct exposed exposed;		/* what is wrong with the files of secrets */
};

int config_init(struct config *config);
void config_free(struct config *config);
int config_load(struct config *config, const char *file, struct str *error);	/* 0 or a sysexits code */
/* address and port, or path.  0 or -1 with errno. */
struct config_listen *config_add_listen(struct config *config);
/* Ties things together after file and options.  0 or a sysexits code. */
int config_finish(struct config *config, struct str *error);

#endif
