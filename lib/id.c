/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

#define DIGITS 16			/* of both halves of a name */
#define USEC_MAX UINT64_C(9999999999999999)

int id_random(void *data, size_t len)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int id_new_name(uint64_t newest_usec, struct id_name *name)
{
	uint64_t now = clock_wall();

	/* A clock that was set back must not make names that sort before what is there. */
	if (now <= newest_usec)
		now = newest_usec + 1;
	if (now > USEC_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	name->usec = now;
	return id_random(&name->random, sizeof name->random);
}

int id_compare_names(struct id_name a, struct id_name b)
{
	if (a.usec != b.usec)
		return a.usec < b.usec ? -1 : 1;
	return a.random < b.random ? -1 : a.random > b.random;
}

bool id_equal(struct id a, struct id b)
{
	return a.index == b.index && id_compare_names(a.name, b.name) == 0;
}

/* Writers of text: each returns where the next one goes on. */

static char *put_hex(char *to, uint64_t value)
{
	for (unsigned i = DIGITS; i > 0; i--, value >>= 4)
		to[i - 1] = "0123456789abcdef"[value & 15];
	return to + DIGITS;
}

static char *put_decimal(char *to, uint64_t value, unsigned width)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (n < width)
		digits[n++] = '0';
	while (n > 0)
		*to++ = digits[--n];
	return to;
}

static char *put_name(char *to, struct id_name name)
{
	to = put_decimal(to, name.usec % (USEC_MAX + 1), DIGITS);
	*to++ = '-';
	return put_hex(to, name.random);
}

static char *put_id(char *to, struct id id)
{
	to = put_name(to, id.name);
	*to++ = '-';
	to = put_decimal(to, id.index & ID_INDEX_MAX, 1);
	if (id.index & ID_BOUNCE) {
		*to++ = '-';
		*to++ = 'b';
	}
	return to;
}

void id_name_text(struct id_name name, char text[static ID_NAME_LEN + 1])
{
	*put_name(text, name) = '\0';
}

void id_text(struct id id, char text[static ID_TEXT_MAX])
{
	*put_id(text, id) = '\0';
}

void id_key_text(struct id_key key, char text[static ID_KEY_MAX])
{
	char *to = put_id(text, key.id);

	*to++ = '-';
	to = put_decimal(to, key.part, 1);
	*to++ = '-';
	*put_hex(to, key.hash) = '\0';
}

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

/* A number has one form only, for names are compared as text too. */
static int parse_number(struct span text, uint32_t max, uint32_t *value)
{
	uint64_t wide;

	if (text.len == 0 || (text.len > 1 && text.data[0] == '0') || span_decimal(text, max, &wide) < 0)
		return invalid();
	*value = (uint32_t)wide;
	return 0;
}

int id_parse_name(struct span text, struct id_name *name)
{
	struct span digits = { text.data, DIGITS }, hex;
	uint64_t usec, bits;

	if (text.len != ID_NAME_LEN || text.data[DIGITS] != '-')
		return invalid();
	hex = span_skip(text, DIGITS + 1);
	if (span_decimal(digits, USEC_MAX, &usec) < 0 || span_hex(hex, UINT64_MAX, &bits) < 0)
		return invalid();
	name->usec = usec;
	name->random = bits;
	return 0;
}

int id_parse(struct span text, struct id *id)
{
	struct id read = { { 0, 0 }, 0 };
	uint32_t bounce = 0;

	if (text.len < ID_NAME_LEN + 2 || text.data[ID_NAME_LEN] != '-')
		return invalid();
	if (text.data[text.len - 2] == '-' && text.data[text.len - 1] == 'b') {
		bounce = ID_BOUNCE;
		text.len -= 2;
	}
	if (id_parse_name((struct span){ text.data, ID_NAME_LEN }, &read.name) < 0 ||
	    parse_number(span_skip(text, ID_NAME_LEN + 1), ID_INDEX_MAX, &read.index) < 0)
		return invalid();
	read.index |= bounce;
	*id = read;
	return 0;
}

/* Cuts what follows the last hyphen off text. */
static bool cut_last(struct span *text, struct span *word)
{
	size_t at = text->len;

	while (at > 0 && text->data[at - 1] != '-')
		at--;
	if (at == 0)
		return false;
	*word = span_skip(*text, at);
	text->len = at - 1;
	return true;
}

int id_parse_key(struct span text, struct id_key *key)
{
	struct id_key read;
	struct span hash, part;

	if (!cut_last(&text, &hash) || hash.len != DIGITS || !cut_last(&text, &part))
		return invalid();
	if (span_hex(hash, UINT64_MAX, &read.hash) < 0 || parse_number(part, UINT32_MAX, &read.part) < 0 ||
	    id_parse(text, &read.id) < 0)
		return invalid();
	*key = read;
	return 0;
}

uint64_t id_hash(struct span drop)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < drop.len; i++)
		hash = (hash ^ (unsigned char)drop.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}
