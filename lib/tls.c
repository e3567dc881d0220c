/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Making one */

static struct tls *make(struct tls_context *context, bool server, struct str *error)
{
	SSL_CTX *ctx = tls_context_get(context, server, error);
	struct tls *tls;

	if (ctx == NULL)
		return NULL;
	tls_error_start();
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL) {
		(void)tls_error_set(error, "cannot make a TLS session: out of memory", NULL);
		return NULL;
	}
	tls->host = (struct str)STR_INIT(TLS_NAME_MAX);
	tls->reason = tls->error = (struct str)STR_INIT(TLS_ERROR_MAX);
	tls->server = server;
	tls->pins = context->pins;
	tls->chain = !server && tls_context_wants_chain(context);
	tls->ssl = SSL_new(ctx);
	if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1) {
		(void)tls_error_set(error, "cannot make a TLS session", NULL);
		tls_free(tls);
		return NULL;
	}
	if (server)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	return tls;
}

/* Takes brackets and a final dot off. */
static int set_host(struct tls *tls, const char *host)
{
	struct span name = span_of(host);

	if (name.len > 1 && name.data[0] == '[' && name.data[name.len - 1] == ']')
		name = (struct span){ name.data + 1, name.len - 2 };
	if (name.len > 1 && name.data[name.len - 1] == '.')
		name.len--;
	if (name.len == 0)
		return -1;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.data[i] <= ' ' || (unsigned char)name.data[i] >= 0x7f)
			return -1;
	return str_set(&tls->host, name);
}

static bool want_host(struct tls *tls)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, tls->host.data, address) == 1 || inet_pton(AF_INET6, tls->host.data, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->host.data) == 1;
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(tls->ssl, tls->host.data) == 1 && SSL_set1_host(tls->ssl, tls->host.data) == 1;
}

struct tls *tls_client(struct tls_context *context, const char *host, struct str *error)
{
	struct tls *tls = make(context, false, error);

	if (tls == NULL)
		return NULL;
	if (set_host(tls, host) < 0 || !want_host(tls)) {
		(void)tls_error_set(error, "no host name or address that a certificate could be for:", host);
		tls_free(tls);
		return NULL;
	}
	return tls;
}

struct tls *tls_server(struct tls_context *context, struct str *error)
{
	return make(context, true, error);
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	str_free(&tls->host);
	str_free(&tls->reason);
	str_free(&tls->error);
	free(tls);
}

int tls_attach(struct tls *tls, int in, int out)
{
	tls_error_start();
	if ((in == out ? SSL_set_fd(tls->ssl, in) : SSL_set_rfd(tls->ssl, in) == 1 && SSL_set_wfd(tls->ssl, out)) == 1)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* Failing */

static void begin_error(struct tls *tls)
{
	tls->failed = true;
	str_cut(&tls->error, 0);
	(void)str_add(&tls->error, "TLS");
	if (tls->host.len > 0)
		(void)str_printf(&tls->error, " with %s", tls->host.data);
}

static enum tls_result fail(struct tls *tls, int saved)
{
	begin_error(tls);
	if (!tls->done && tls->reason.len > 0)
		(void)str_printf(&tls->error, ": %s", tls->reason.data);
	else if (ERR_peek_error() != 0)
		tls_error_add(&tls->error);
	else
		(void)str_printf(&tls->error, ": %s", saved != 0 ? strerror(saved) : "the other side closed the connection");
	ERR_clear_error();
	return TLS_FAILED;
}

/* What a call's result means.  errno must still be the call's. */
static enum tls_result result_of(struct tls *tls, int result)
{
	const int saved = errno;

	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		if (tls->done)
			return TLS_CLOSED;
		return fail(tls, 0);
	case SSL_ERROR_SYSCALL:
		return fail(tls, saved);
	default:
		return fail(tls, 0);
	}
}

/* A pinned issuer counts only where the chain to it was verified; else anybody could show a copy of it beside his own key. */
static bool pins_match(const struct tls *tls, X509 *own)
{
	STACK_OF(X509) *chain = tls->chain ? SSL_get0_verified_chain(tls->ssl) : NULL;

	if (own == NULL)
		return false;
	if (!tls->chain)
		return tls_pin_match(&tls->pins, own);
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (tls_pin_match(&tls->pins, sk_X509_value(chain, i)))
			return true;
	return false;
}

static enum tls_result verify_peer(struct tls *tls)
{
	if (tls->pins.count > 0 && !pins_match(tls, SSL_get0_peer_certificate(tls->ssl))) {
		begin_error(tls);
		(void)str_add(&tls->error, ": no pin matches; the server's key is ");
		(void)tls_peer_pin(tls, &tls->error);
		return TLS_FAILED;
	}
	tls->verified = tls->chain || tls->pins.count > 0;
	return TLS_OK;
}

/* Driving */

enum tls_result tls_handshake(struct tls *tls)
{
	enum tls_result result;

	if (tls->failed || tls->done)
		return tls->failed ? TLS_FAILED : TLS_OK;
	tls_error_start();
	errno = 0;
	result = result_of(tls, SSL_do_handshake(tls->ssl));
	if (result == TLS_OK && !tls->server)
		result = verify_peer(tls);
	tls->done = result == TLS_OK;
	return result;
}

/* Reading or writing before the handshake would let OpenSSL make it and pass by verify_peer. */
static bool usable(struct tls *tls)
{
	if (tls->done && !tls->failed)
		return true;
	if (!tls->failed) {
		begin_error(tls);
		(void)str_add(&tls->error, ": used before its handshake");
	}
	return false;
}

enum tls_result tls_read(struct tls *tls, void *data, size_t size, size_t *len)
{
	*len = 0;
	if (!usable(tls))
		return TLS_FAILED;
	tls_error_start();
	errno = 0;
	return result_of(tls, SSL_read_ex(tls->ssl, data, size, len));
}

enum tls_result tls_write(struct tls *tls, const void *data, size_t size, size_t *len)
{
	*len = 0;
	if (!usable(tls))
		return TLS_FAILED;
	if (size == 0)
		return TLS_OK;
	tls_error_start();
	errno = 0;
	return result_of(tls, SSL_write_ex(tls->ssl, data, size, len));
}

bool tls_pending(const struct tls *tls)
{
	return SSL_has_pending(tls->ssl) == 1;
}

enum tls_result tls_close(struct tls *tls)
{
	int result;

	/* after a failure the protocol forbids it, before the handshake there is nothing to end */
	if (!tls->done || tls->failed)
		return TLS_OK;
	tls_error_start();
	errno = 0;
	result = SSL_shutdown(tls->ssl);
	return result >= 0 ? TLS_OK : result_of(tls, result);
}

/* Telling */

const char *tls_error(const struct tls *tls)
{
	return tls->error.data;
}

const char *tls_version(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

bool tls_verified(const struct tls *tls)
{
	return tls->verified;
}

int tls_peer_pin(const struct tls *tls, struct str *out)
{
	const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	unsigned char pin[TLS_PIN_SIZE];

	tls_error_start();
	if (certificate == NULL || tls_pin_of(certificate, pin) < 0)
		return -1;
	return tls_pin_text(out, pin);
}
