/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_internal.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base64.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex(struct span text, unsigned char pin[TLS_PIN_SIZE])
{
	size_t n = 0;

	while (text.len >= 2 && n < TLS_PIN_SIZE) {
		int high = hex_digit(text.data[0]), low = hex_digit(text.data[1]);

		if (high < 0 || low < 0)
			return -1;
		pin[n++] = (unsigned char)(high << 4 | low);
		text = span_skip(text, 2);
		if (text.len > 0 && text.data[0] == ':' && n < TLS_PIN_SIZE)
			text = span_skip(text, 1);
	}
	return n == TLS_PIN_SIZE && text.len == 0 ? 0 : -1;
}

static int parse_base64(struct span text, unsigned char pin[TLS_PIN_SIZE])
{
	struct str bytes = STR_INIT(TLS_PIN_SIZE);
	int result = -1;

	if (base64_decode(&bytes, text) == 0 && bytes.len == TLS_PIN_SIZE) {
		memcpy(pin, bytes.data, TLS_PIN_SIZE);
		result = 0;
	}
	str_free(&bytes);
	return result;
}

int tls_pin_parse(const char *text, unsigned char pin[TLS_PIN_SIZE])
{
	struct span rest = span_of(text);

	if (span_starts(rest, "sha256//"))
		return parse_base64(span_skip(rest, strlen("sha256//")), pin);
	if (span_starts(rest, "sha256:"))
		return parse_hex(span_skip(rest, strlen("sha256:")), pin);
	/* the lengths of both forms differ, so that neither can be taken for the other */
	return rest.len == (TLS_PIN_SIZE + 2) / 3 * 4 ? parse_base64(rest, pin) : parse_hex(rest, pin);
}

int tls_pin_of(const X509 *certificate, unsigned char pin[TLS_PIN_SIZE])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der), result = -1;

	if (len > 0 && EVP_Digest(der, (size_t)len, pin, NULL, EVP_sha256(), NULL) == 1)
		result = 0;
	OPENSSL_free(der);
	return result;
}

int tls_pin_text(struct str *out, const unsigned char pin[TLS_PIN_SIZE])
{
	const size_t before = out->len;

	if (str_add(out, "sha256//") < 0 || base64_encode(out, (struct span){ (const char *)pin, TLS_PIN_SIZE }) < 0) {
		str_cut(out, before);
		return -1;
	}
	return 0;
}

bool tls_pin_match(const struct tls_pins *pins, const X509 *certificate)
{
	unsigned char pin[TLS_PIN_SIZE];

	if (tls_pin_of(certificate, pin) < 0)
		return false;
	for (size_t i = 0; i < pins->count; i++)
		if (memcmp(pins->pin[i], pin, TLS_PIN_SIZE) == 0)
			return true;
	return false;
}
