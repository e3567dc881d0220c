/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client's state, shared by the files that hold its mechanisms. */
#ifndef DEADDROP_SASL_CLIENT_H
#define DEADDROP_SASL_CLIENT_H

#include "sasl_internal.h"

#define SASL_TEXT_SHOWN 300		/* bytes of a server's text in an error */

struct sasl_client {
	const struct sasl_mechanism *mechanism;
	unsigned step;			/* messages dealt with */
	enum sasl_result result;	/* of the last one */
	struct str user, authorize, password, token, host;
	unsigned port;
	bool has_binding, binding_offered;
	struct str binding_name, binding;
	struct str nonce;
	struct str header;		/* SCRAM's gs2-header */
	struct str first;		/* its client-first-message-bare */
	unsigned char signature[SASL_HASH_MAX];	/* what the server must show */
};

enum sasl_result sasl_client_scram(struct sasl_client *client, struct span challenge, struct str *out, struct str *error);

#endif
