/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

struct tls_trust {
	int fd;			/* open instead of read: an idle stage keeps no copy of the bundle, and the jail keeps the descriptor */
	bool given;		/* the operator named the file: every certificate in it is wanted, and trusted as an anchor */
	char *name;
	X509_STORE *store;	/* NULL until it is needed */
};

/* Debian, Fedora, SUSE, BSD and Alpine, older Red Hat. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt",
};

static int open_bundle(const char *name, struct str *error)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO by that name must not hold up the start */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size <= TLS_FILE_MAX)
		return fd;
	if (error != NULL) {
		str_cut(error, 0);
		(void)str_printf(error, "cannot open CA file %s: %s", name, fd < 0 ? strerror(errno) : "no file of PEM certificates of a sensible size");
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

struct tls_trust *tls_trust_open(const char *file, struct str *error)
{
	struct tls_trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL) {
		if (error != NULL)
			(void)str_set(error, span_of("out of memory"));
		return NULL;
	}
	trust->given = file != NULL;
	trust->fd = -1;
	for (size_t i = 0; file == NULL && trust->fd < 0 && i < sizeof(bundles) / sizeof(*bundles); i++) {
		trust->fd = open_bundle(bundles[i], NULL);
		trust->name = trust->fd < 0 ? NULL : strdup(bundles[i]);
	}
	if (file != NULL) {
		trust->fd = open_bundle(file, error);
		trust->name = strdup(file);
	} else if (trust->fd < 0 && error != NULL) {
		(void)str_set(error, span_of("no CA bundle of the system is found (install ca-certificates, or name a CA file)"));
	}
	if (trust->fd < 0 || trust->name == NULL) {
		tls_trust_free(trust);
		return NULL;
	}
	return trust;
}

void tls_trust_rest(struct tls_trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	trust->store = NULL;
}

void tls_trust_free(struct tls_trust *trust)
{
	if (trust == NULL)
		return;
	tls_trust_rest(trust);
	if (trust->fd >= 0)
		close(trust->fd);
	free(trust->name);
	free(trust);
}

static int read_bundle(struct tls_trust *trust, struct str *text, struct str *error)
{
	/* by pread: the offset of the descriptor is shared with a keeper */
	for (;;) {
		ssize_t n = -1;

		if (str_reserve(text, text->len + 1 < TLS_FILE_MAX ? 65536 : 0) == 0)
			n = pread(trust->fd, text->data + text->len, text->cap - text->len - 1, (off_t)text->len);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (error != NULL) {
				str_cut(error, 0);
				(void)str_printf(error, "cannot read CA file %s: %s", trust->name, strerror(errno));
			}
			return -1;
		}
		text->len += (size_t)n;
		text->data[text->len] = '\0';
	}
}

/* The number of certificates, or -1 where one that the operator gave is malformed.  A system's bundle may hold one that this OpenSSL refuses. */
static int add_all(struct tls_trust *trust, X509_STORE *store, BIO *bio)
{
	int count = 0;

	for (;;) {
		X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		unsigned long code = ERR_peek_last_error();

		if (certificate == NULL && ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
			ERR_clear_error();
			return count;
		}
		if (certificate == NULL && trust->given)
			return -1;
		if (certificate != NULL && X509_STORE_add_cert(store, certificate) == 1)
			count++;
		X509_free(certificate);
		ERR_clear_error();
	}
}

static int fill_store(struct tls_trust *trust, X509_STORE *store, struct str *error)
{
	struct str text = STR_INIT(TLS_FILE_MAX + 65536U);
	BIO *bio = NULL;
	int count = -1;

	if (read_bundle(trust, &text, error) < 0) {
		str_free(&text);
		return -1;
	}
	bio = BIO_new_mem_buf(text.data, (int)text.len);
	if (bio != NULL)
		count = add_all(trust, store, bio);
	BIO_free(bio);
	str_free(&text);
	if (count > 0)
		return 0;
	return tls_error_set(error, count == 0 ? "there is no certificate in CA file" : "malformed certificate in CA file", trust->name);
}

X509_STORE *tls_trust_store(struct tls_trust *trust, struct str *error)
{
	X509_STORE *store = trust->store;

	tls_error_start();
	if (store == NULL) {
		store = X509_STORE_new();
		if (store == NULL) {
			(void)tls_error_set(error, "cannot make a certificate store", NULL);
			return NULL;
		}
		if (fill_store(trust, store, error) < 0) {
			X509_STORE_free(store);
			return NULL;
		}
		/* a private CA's intermediate, or a server's very certificate, is enough where the operator put it there */
		if (trust->given)
			(void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
		trust->store = store;
	}
	(void)X509_STORE_up_ref(store);
	return store;
}
