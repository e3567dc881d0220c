/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_internal.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>

void tls_error_start(void)
{
	/* the first call decides: nothing later in the process loads openssl.cnf (a jail has none) or what it may name */
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	ERR_clear_error();
}

/* Reasons that OpenSSL words for those who know its records. */
static const struct { int reason; const char *text; } plain_words[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, "the other side does not speak TLS here" },
	{ SSL_R_HTTP_REQUEST, "the other side does not speak TLS here" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "no common version (TLS 1.2 and 1.3 are possible)" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "no common version, says the other side" },
	{ SSL_R_NO_SHARED_CIPHER, "no common cipher" },
};

static const char *reason_of(unsigned long code)
{
	const char *text;

	if (ERR_GET_LIB(code) == ERR_LIB_SSL)
		for (size_t i = 0; i < sizeof(plain_words) / sizeof(*plain_words); i++)
			if (plain_words[i].reason == ERR_GET_REASON(code))
				return plain_words[i].text;
	text = ERR_reason_error_string(code);
	return text != NULL ? text : "the reason is unknown";
}

void tls_error_add(struct str *error)
{
	unsigned long code = ERR_peek_error();

	if (error != NULL && code != 0)
		(void)str_printf(error, ": %s", reason_of(code));
	ERR_clear_error();
}

int tls_error_set(struct str *error, const char *what, const char *file)
{
	if (error != NULL) {
		str_cut(error, 0);
		(void)str_add(error, what);
		if (file != NULL)
			(void)str_printf(error, " %s", file);
	}
	tls_error_add(error);
	return -1;
}
