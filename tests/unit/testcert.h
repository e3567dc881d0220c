/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates for tests of TLS, made afresh: a test needs no file and none of them ever expires. */
#ifndef DEADDROP_TESTCERT_H
#define DEADDROP_TESTCERT_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct testcert {
	X509 *certificate;
	EVP_PKEY *key;
};

#define TESTCERT_DAY 86400L

static inline void testcert_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: self-signed.  names: "DNS:localhost,IP:127.0.0.1", NULL: none.  from, to: seconds from now. */
static inline struct testcert testcert_make(const struct testcert *issuer, const char *name, const char *names, bool authority, long from, long to)
{
	static const unsigned long first_serial = 1000;
	struct testcert new = { X509_new(), EVP_EC_gen("P-256") };
	X509_NAME *subject = X509_get_subject_name(new.certificate);

	assert(new.key != NULL);
	X509_set_version(new.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(new.certificate), (long)(first_serial + (unsigned long)strlen(name) + (unsigned long)(to / 60 + 600000)));
	X509_gmtime_adj(X509_getm_notBefore(new.certificate), from);
	X509_gmtime_adj(X509_getm_notAfter(new.certificate), to);
	X509_set_pubkey(new.certificate, new.key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(new.certificate, issuer != NULL ? X509_get_subject_name(issuer->certificate) : subject);
	testcert_extend(new.certificate, issuer != NULL ? issuer->certificate : new.certificate, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL)
		testcert_extend(new.certificate, new.certificate, NID_subject_alt_name, names);
	assert(X509_sign(new.certificate, issuer != NULL ? issuer->key : new.key, EVP_sha256()) > 0);
	return new;
}

static inline void testcert_free(struct testcert *certificate)
{
	X509_free(certificate->certificate);
	EVP_PKEY_free(certificate->key);
}

/* Writes directory/NAME.pem: certificate, that of the issuer unless NULL, key unless without. */
static inline void testcert_write(const char *directory, const char *name, const struct testcert *certificate, const struct testcert *issuer, bool with_key)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.pem", directory, name);
	file = fopen(path, "w");
	assert(file != NULL && PEM_write_X509(file, certificate->certificate) == 1);
	if (issuer != NULL)
		assert(PEM_write_X509(file, issuer->certificate) == 1);
	if (with_key)
		assert(PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(file);
}

#endif
