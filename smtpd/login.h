/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An AUTH dialogue of one session: base64 around lib/sasl's server, and who may log in. */
#ifndef DEADDROP_SMTPD_LOGIN_H
#define DEADDROP_SMTPD_LOGIN_H

#include "engine.h"
#include "sasl.h"

#define LOGIN_MECHANISMS "SCRAM-SHA-256 PLAIN LOGIN"

/*
 * The secrets file: a line a user, NAME:SECRET; the secret is taken as it is, blanks, quotes and all: {PLAIN}password, or a verifier as
 * `deaddrop-smtpd --verifier` prints it.  Lines that begin with # and empty ones are passed over.  Wiped by login_secrets_free.
 */
struct login_secrets;

struct login_secrets *login_secrets_load(const char *file, struct str *error);	/* NULL with error: file:line and what is wrong */
void login_secrets_free(struct login_secrets *secrets);
const struct sasl_server_users *login_secrets_users(const struct login_secrets *secrets);

struct login {				/* zero: nobody */
	struct sasl_server *server;	/* a dialogue is under way */
	bool proven;			/* the last challenge only waits for the client's empty line */
	struct str user;		/* who has logged in, or tried to */
};

void login_init(struct login *login);
void login_reset(struct login *login);	/* forgets dialogue and user */
/* Engine's events auth, auth_line and auth_cancel. */
void login_begin(struct login *login, struct engine *e, const struct login_secrets *secrets, struct span mechanism, struct span initial);
void login_line(struct login *login, struct engine *e, struct span line);
void login_cancel(struct login *login);

#endif
