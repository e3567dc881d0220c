/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define CIPHERS_12 "HIGH:!aNULL:!eNULL:!PSK:!SRP:!3DES:!MD5"

struct tls_context *tls_context_new(void)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	if (context == NULL)
		return NULL;
	context->certificate = context->key = (struct str)STR_INIT(TLS_FILE_MAX);
	context->certificate_name = context->key_name = (struct str)STR_INIT(65536);
	return context;
}

void tls_context_rest(struct tls_context *context)
{
	SSL_CTX_free(context->client);
	SSL_CTX_free(context->server);
	context->client = context->server = NULL;
}

void tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	tls_context_rest(context);
	str_free(&context->certificate);
	str_wipe(&context->key);
	str_free(&context->certificate_name);
	str_free(&context->key_name);
	free(context);
}

void tls_context_trust(struct tls_context *context, struct tls_trust *trust)
{
	context->trust = trust;
}

void tls_context_verify(struct tls_context *context, enum tls_verify verify)
{
	context->verify = verify;
}

int tls_context_pin(struct tls_context *context, const char *pin, struct str *error)
{
	const char *wrong = NULL;

	if (context->pins.count == TLS_PINS_MAX)
		wrong = "too many pins";
	else if (tls_pin_parse(pin, context->pins.pin[context->pins.count]) < 0)
		wrong = "a pin is sha256// and 44 characters of base 64, or sha256: and 64 hex digits";
	if (wrong == NULL) {
		context->pins.count++;
		return 0;
	}
	if (error != NULL)
		(void)str_set(error, span_of(wrong));
	return -1;
}

bool tls_context_wants_chain(const struct tls_context *context)
{
	return context->verify == TLS_VERIFY_CHAIN;
}

/* Files */

static const char *read_all(int fd, struct str *out)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	if ((uintmax_t)st.st_size >= out->max)
		return "it is too large";
	/* in one allocation: a string that grows would leave copies of a key behind */
	if (str_reserve(out, (size_t)st.st_size + 1) < 0)
		return strerror(errno);
	for (;;) {
		ssize_t n = read(fd, out->data + out->len, out->cap - out->len - 1);

		if (n == 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return strerror(errno);
		if (n > 0)
			out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len + 1 >= out->cap)
			return "it grows while it is read";
	}
}

static int read_pem(const char *name, const char *kind, const char *mark, struct str *out, struct str *error)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *wrong = read_all(fd, out);

	if (fd >= 0)
		close(fd);
	if (wrong == NULL && strstr(out->data, mark) == NULL)
		wrong = "it holds none in PEM form";
	if (wrong == NULL)
		return 0;
	if (error != NULL) {
		str_cut(error, 0);
		(void)str_printf(error, "cannot read %s %s: %s", kind, name, wrong);
	}
	return -1;
}

int tls_context_certificate(struct tls_context *context, const char *certificate, const char *key, struct str *error)
{
	str_cut(&context->certificate, 0);
	str_wipe(&context->key);
	tls_context_rest(context);
	if (read_pem(certificate, "certificate", "-----BEGIN ", &context->certificate, error) == 0 &&
	    read_pem(key, "key", "PRIVATE KEY-----", &context->key, error) == 0 &&
	    str_set(&context->certificate_name, span_of(certificate)) == 0 && str_set(&context->key_name, span_of(key)) == 0)
		return 0;
	str_cut(&context->certificate, 0);
	str_wipe(&context->key);
	return -1;
}

bool tls_context_has_certificate(const struct tls_context *context)
{
	return context->key.len > 0;
}

/* What OpenSSL calls */

/* Never a prompt: without this OpenSSL asks the terminal for a pass phrase. */
static int no_phrase(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool no_more(void)
{
	unsigned long code = ERR_peek_last_error();
	bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	if (end)
		ERR_clear_error();
	return end;
}

/* The first certificate is the own one, those after it its issuers. */
static bool use_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, no_phrase, NULL);
	bool good = certificate != NULL && SSL_CTX_use_certificate(ctx, certificate) == 1;

	X509_free(certificate);
	while (good) {
		X509 *issuer = PEM_read_bio_X509(bio, NULL, no_phrase, NULL);

		if (issuer == NULL)
			return no_more();
		good = SSL_CTX_add0_chain_cert(ctx, issuer) == 1;
		if (!good)
			X509_free(issuer);
	}
	return false;
}

static bool use_key(SSL_CTX *ctx, BIO *bio)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_phrase, NULL);
	bool good = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

	EVP_PKEY_free(key);
	return good;
}

static int use_certificate(const struct tls_context *context, SSL_CTX *ctx, struct str *error)
{
	BIO *certificate = BIO_new_mem_buf(context->certificate.data, (int)context->certificate.len);
	BIO *key = BIO_new_mem_buf(context->key.data, (int)context->key.len);
	int result = 0;

	if (certificate == NULL || key == NULL)
		result = tls_error_set(error, "cannot read certificate", context->certificate_name.data);
	else if (!use_chain(ctx, certificate))
		result = tls_error_set(error, "cannot use certificate", context->certificate_name.data);
	else if (!use_key(ctx, key) || SSL_CTX_check_private_key(ctx) != 1)
		result = tls_error_set(error, "cannot use key", context->key_name.data);
	BIO_free(certificate);
	BIO_free(key);
	return result;
}

static bool set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_SINGLE_DH_USE | SSL_OP_SINGLE_ECDH_USE);
#ifdef SSL_OP_CLEANSE_PLAINTEXT
	SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);	/* passwords come and go in it */
#endif
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);		/* one read for a record instead of one for its head and one for the rest */
	(void)SSL_CTX_set_dh_auto(ctx, 1);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1;
}

static int set_trust(const struct tls_context *context, SSL_CTX *ctx, struct str *error)
{
	X509_STORE *store;

	if (context->trust == NULL)
		return tls_error_set(error, "verification needs CA certificates, and none are set", NULL);
	store = tls_trust_store(context->trust, error);
	if (store == NULL)
		return -1;
	SSL_CTX_set_cert_store(ctx, store);	/* takes the reference */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_verify_callback);
	return 0;
}

static SSL_CTX *make(const struct tls_context *context, bool server, struct str *error)
{
	SSL_CTX *ctx;

	tls_error_start();
	ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (ctx == NULL || !set_up(ctx)) {
		(void)tls_error_set(error, "cannot set up TLS", NULL);
		SSL_CTX_free(ctx);
		return NULL;
	}
	if ((!server && tls_context_wants_chain(context) && set_trust(context, ctx, error) < 0) ||
	    (tls_context_has_certificate(context) && use_certificate(context, ctx, error) < 0)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

SSL_CTX *tls_context_get(struct tls_context *context, bool server, struct str *error)
{
	SSL_CTX **kept = server ? &context->server : &context->client;

	if (server && !tls_context_has_certificate(context)) {
		(void)tls_error_set(error, "a TLS server needs a certificate, and none is set", NULL);
		return NULL;
	}
	if (!server && context->verify == TLS_VERIFY_PIN && context->pins.count == 0) {
		(void)tls_error_set(error, "verification by pin needs a pin, and none is set", NULL);
		return NULL;
	}
	if (*kept == NULL)
		*kept = make(context, server, error);
	return *kept;
}

int tls_context_check(struct tls_context *context, bool server, int64_t *expires, struct str *error)
{
	SSL_CTX *ctx = tls_context_get(context, server, error);
	const X509 *certificate;
	struct tm end;

	if (expires != NULL)
		*expires = 0;
	if (ctx == NULL)
		return -1;
	certificate = SSL_CTX_get0_certificate(ctx);
	if (expires != NULL && certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
		*expires = (int64_t)timegm(&end);
	return 0;
}
