/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_session.h"

#include <openssl/bio.h>
#include <openssl/x509v3.h>

#define NAMES_MAX 5	/* of a certificate, in an error */

static void add_date(struct str *out, const char *word, const ASN1_TIME *date)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(date, &tm) == 1)
		(void)str_printf(out, " (%s %04d-%02d-%02d)", word, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void add_name(struct str *out, const char *word, X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;

	/* RFC 2253 form escapes control characters and what is not ASCII */
	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(bio, &data);
		if (len > 0)
			(void)str_printf(out, " (%s %.*s)", word, len > 300 ? 300 : (int)len, data);
	}
	BIO_free(bio);
}

static bool is_printable(const ASN1_STRING *text)
{
	const unsigned char *data = ASN1_STRING_get0_data(text);

	for (int i = 0; i < ASN1_STRING_length(text); i++)
		if (data[i] <= ' ' || data[i] > '~')
			return false;
	return ASN1_STRING_length(text) <= TLS_NAME_MAX;
}

static void add_names(struct str *out, const X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const char *before = " (it is for ";
	int shown = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && shown < NAMES_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS || !is_printable(name->d.dNSName))
			continue;
		(void)str_printf(out, "%s%.*s", before, ASN1_STRING_length(name->d.dNSName), (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		before = ", ";
		shown++;
	}
	if (shown > 0)
		(void)str_add(out, ")");
	else
		add_name(out, "it is for", X509_get_subject_name(certificate));
	GENERAL_NAMES_free(names);
}

static void describe(struct str *out, int code, X509 *certificate)
{
	str_cut(out, 0);
	(void)str_add(out, X509_verify_cert_error_string(code));
	if (certificate == NULL)
		return;
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		add_date(out, "on", X509_get0_notAfter(certificate));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		add_date(out, "before", X509_get0_notBefore(certificate));
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		add_names(out, certificate);
		break;
	default:
		add_name(out, "issuer", X509_get_issuer_name(certificate));
	}
}

int tls_verify_callback(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = ssl != NULL ? SSL_get_app_data(ssl) : NULL;

	if (!ok && tls != NULL)
		describe(&tls->reason, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store));
	return ok;
}
