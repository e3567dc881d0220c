/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the TLS module share; the contracts are in tls.h. */
#ifndef DEADDROP_TLS_INTERNAL_H
#define DEADDROP_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls.h"

struct tls_pins {
	size_t count;
	unsigned char pin[TLS_PINS_MAX][TLS_PIN_SIZE];
};

int tls_pin_parse(const char *text, unsigned char pin[TLS_PIN_SIZE]);		/* 0, or -1 */
int tls_pin_of(const X509 *certificate, unsigned char pin[TLS_PIN_SIZE]);	/* 0, or -1 */
int tls_pin_text(struct str *out, const unsigned char pin[TLS_PIN_SIZE]);	/* sha256//BASE64 */
bool tls_pin_match(const struct tls_pins *pins, const X509 *certificate);

/* The store of a trust, made at the first call; a reference is the caller's.  NULL with error. */
X509_STORE *tls_trust_store(struct tls_trust *trust, struct str *error);

struct tls_context {
	enum tls_verify verify;
	struct tls_pins pins;
	struct tls_trust *trust;
	struct str certificate, key;		/* PEM; empty: none */
	struct str certificate_name, key_name;	/* their files, for errors */
	SSL_CTX *client, *server;		/* made at the first use */
};

/* Chain, or key alone, as the settings want it. */
bool tls_context_wants_chain(const struct tls_context *context);
SSL_CTX *tls_context_get(struct tls_context *context, bool server, struct str *error);

/* For SSL_CTX_set_verify: notes in the session what is wrong with which certificate. */
int tls_verify_callback(int ok, X509_STORE_CTX *store);

void tls_error_start(void);	/* OpenSSL without configuration files; clears what earlier calls left */
/* Appends ": " and the reason of the last failed call. */
void tls_error_add(struct str *error);
/* "what" and, unless NULL, " what file"; then the reason.  error may be NULL.  Returns -1. */
int tls_error_set(struct str *error, const char *what, const char *file);

#endif
