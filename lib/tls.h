/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS, both sides.  The only user of libssl.  TLS 1.2 and later; no renegotiation, compression, session tickets or resumption.
 * No configuration file, environment variable or engine is read (openssl.cnf, SSL_CERT_FILE).
 *
 * What it costs when: tls_trust_open and tls_context_* only open and read files and touch no OpenSSL: to be called before the jail, as root where the files
 * demand it.  OpenSSL, certificates and the store are set up by the first session (or tls_context_check), and given back by
 * tls_context_rest.  After the jail no file is opened and no memory made executable; what is needed of the sandbox is in every stage's filter (pread, getrandom).
 *
 * A session knows a descriptor (or two) and no loop; lib/stream.h is what stages use.  SIGPIPE must be ignored.
 * Errors: a struct str is set to a text for people that says what, with whom and why.  NULL is allowed for it.
 */
#ifndef DEADDROP_TLS_H
#define DEADDROP_TLS_H

#include <sys/types.h>

#include "str.h"

#define TLS_PINS_MAX 16
#define TLS_PIN_SIZE 32			/* SHA-256 of the SubjectPublicKeyInfo */
#define TLS_FILE_MAX (8U << 20)		/* bytes of a CA, certificate or key file */
#define TLS_NAME_MAX 255
#define TLS_ERROR_MAX 1000		/* a str for errors needs no larger limit */

/* Whose signature counts: a file of PEM certificates.  Shared by any number of contexts. */
struct tls_trust;

/* NULL: the system's bundle, the first there is of those that the usual distributions have.  Opens the file and keeps the descriptor; it is read at the first use.  NULL with error. */
struct tls_trust *tls_trust_open(const char *file, struct str *error);
void tls_trust_free(struct tls_trust *trust);	/* once no context is left that uses it; NULL is allowed */

/* Settings for many sessions: of one account or relay, or of one listener. */
struct tls_context;

enum tls_verify {
	TLS_VERIFY_CHAIN,	/* the default: chain and host name; and, where pins are set, one of them in the verified chain (the server's or an issuer's key) */
	TLS_VERIFY_PIN,		/* a pin instead of chain, name and dates: the server's own key must be one of them */
	TLS_VERIFY_NONE,	/* anybody, encrypted.  Only where the operator said so.  Where pins are set nevertheless, as TLS_VERIFY_PIN */
};

struct tls_context *tls_context_new(void);		/* NULL: no memory */
void tls_context_free(struct tls_context *context);	/* once its sessions are gone; keys are wiped */
void tls_context_trust(struct tls_context *context, struct tls_trust *trust);	/* client with TLS_VERIFY_CHAIN: needed */
void tls_context_verify(struct tls_context *context, enum tls_verify verify);
/* "sha256//BASE64", "sha256:HEX" or one of both without its prefix (colons between the hex digits are allowed).  0, or -1 with error. */
int tls_context_pin(struct tls_context *context, const char *pin, struct str *error);
/* The own certificate with its chain, and its key (may be the same file), as PEM without pass phrase: a server's, or a client's for EXTERNAL.  Reads both now. */
int tls_context_certificate(struct tls_context *context, const char *certificate, const char *key, struct str *error);
bool tls_context_has_certificate(const struct tls_context *context);
/* Sets everything up as the first session would: for --check and for a start that must not succeed with a broken certificate.  0, or -1 with error.
 * *expires: end of the own certificate's validity in seconds since 1970, 0 without one; may be NULL. */
int tls_context_check(struct tls_context *context, bool server, int64_t *expires, struct str *error);
/* Give back what the sessions set up (with a system's CA store about 1 MB, and 30 ms to set it up again at the next one).  Sessions that live are not harmed. */
void tls_context_rest(struct tls_context *context);
void tls_trust_rest(struct tls_trust *trust);

/* A session over non-blocking descriptors (the same twice for a socket), which stay the caller's. */
struct tls;

enum tls_result {
	TLS_OK,
	TLS_WANT_READ,		/* call the same again once the descriptor is readable … */
	TLS_WANT_WRITE,		/* … or writable */
	TLS_CLOSED,		/* the peer ended it, politely or not: the protocol above must know whether it was complete */
	TLS_FAILED,		/* tls_error; nothing more can be done but free it */
};

/* host: a DNS name (sent as SNI; internationalised names in their A-label form) or an IP address, in brackets or not: what the certificate must be for, and what
 * errors call the peer.  NULL with error. */
struct tls *tls_client(struct tls_context *context, const char *host, struct str *error);
struct tls *tls_server(struct tls_context *context, struct str *error);
void tls_free(struct tls *tls);		/* sends nothing; NULL is allowed */

int tls_attach(struct tls *tls, int in, int out);		/* 0, or -1 ENOMEM */
enum tls_result tls_handshake(struct tls *tls);			/* includes verification: TLS_OK means that the peer is the one wanted */
enum tls_result tls_read(struct tls *tls, void *data, size_t size, size_t *len);	/* TLS_OK: len > 0 */
enum tls_result tls_write(struct tls *tls, const void *data, size_t size, size_t *len);	/* may take less; a repeat begins with the same bytes */
bool tls_pending(const struct tls *tls);	/* bytes were taken from the descriptor that tls_read has not given out: do not wait for readable */
enum tls_result tls_close(struct tls *tls);	/* say goodbye; does not wait for the peer's */
const char *tls_error(const struct tls *tls);	/* after TLS_FAILED: "TLS with mail.example.org: certificate has expired" */

const char *tls_version(const struct tls *tls);		/* "TLSv1.3" */
const char *tls_cipher(const struct tls *tls);
bool tls_verified(const struct tls *tls);		/* the peer was verified by chain or pin, not just encrypted */
/* The pin of the peer's own key as "sha256//BASE64"; -1 where it has shown none. */
int tls_peer_pin(const struct tls *tls, struct str *out);

/* Channel bindings for SASL (RFC 5929, RFC 9266). */
enum tls_binding { TLS_BINDING_EXPORTER, TLS_BINDING_UNIQUE, TLS_BINDING_END_POINT };
#define TLS_BINDING_MAX 64
const char *tls_binding_name(enum tls_binding kind);	/* "tls-exporter", "tls-unique", "tls-server-end-point" */
/* Appends the data.  -1 EOPNOTSUPP: exporter needs TLS 1.3, unique TLS 1.2 with extended master secret (RFC 7627), end-point the server's certificate. */
int tls_binding(const struct tls *tls, enum tls_binding kind, struct str *out);
/* The one to use: exporter with TLS 1.3, unique with 1.2, else end-point.  -1 where there is none. */
int tls_binding_best(const struct tls *tls, enum tls_binding *kind, struct str *out);

#endif
