/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_session.h"

#include <errno.h>

#include <openssl/evp.h>

#define EXPORTER_LABEL "EXPORTER-Channel-Binding"	/* RFC 9266 section 3 */
#define EXPORTER_SIZE 32

static bool exporter(SSL *ssl, bool server, struct str *out)
{
	unsigned char data[EXPORTER_SIZE];

	(void)server;
	return SSL_version(ssl) == TLS1_3_VERSION &&
		SSL_export_keying_material(ssl, data, sizeof(data), EXPORTER_LABEL, sizeof(EXPORTER_LABEL) - 1, (const unsigned char *)"", 0, 1) == 1 &&
		str_append(out, data, sizeof(data)) == 0;
}

/* The first Finished of the handshake: the client's, but the server's where a session was resumed (RFC 5929 section 3). */
static bool unique(SSL *ssl, bool server, struct str *out)
{
	unsigned char data[TLS_BINDING_MAX];
	bool own = server == (SSL_session_reused(ssl) == 1);
	size_t len;

	if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
		return false;
	len = own ? SSL_get_finished(ssl, data, sizeof(data)) : SSL_get_peer_finished(ssl, data, sizeof(data));
	return len > 0 && len <= sizeof(data) && str_append(out, data, len) == 0;
}

/* The server's certificate under the hash of its signature, but none below SHA-256 (RFC 5929 section 4.1). */
static bool end_point(SSL *ssl, bool server, struct str *out)
{
	X509 *certificate = server ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	unsigned char data[EVP_MAX_MD_SIZE];
	const EVP_MD *hash;
	unsigned len = 0;
	int nid;

	if (certificate == NULL || X509_get_signature_info(certificate, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return false;
	hash = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
	return hash != NULL && X509_digest(certificate, hash, data, &len) == 1 && str_append(out, data, len) == 0;
}

static const struct {
	const char *name;
	bool (*get)(SSL *ssl, bool server, struct str *out);
} bindings[] = {
	[TLS_BINDING_EXPORTER] = { "tls-exporter", exporter },
	[TLS_BINDING_UNIQUE] = { "tls-unique", unique },
	[TLS_BINDING_END_POINT] = { "tls-server-end-point", end_point },
};

const char *tls_binding_name(enum tls_binding kind)
{
	return bindings[kind].name;
}

int tls_binding(const struct tls *tls, enum tls_binding kind, struct str *out)
{
	tls_error_start();
	if (tls->done && bindings[kind].get(tls->ssl, tls->server, out))
		return 0;
	errno = EOPNOTSUPP;
	return -1;
}

int tls_binding_best(const struct tls *tls, enum tls_binding *kind, struct str *out)
{
	for (size_t i = 0; i < sizeof(bindings) / sizeof(*bindings); i++) {
		if (tls_binding(tls, (enum tls_binding)i, out) == 0) {
			*kind = (enum tls_binding)i;
			return 0;
		}
	}
	return -1;
}
