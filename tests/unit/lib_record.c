/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crc32c.h"
#include "record.h"

#define MARK UINT64_C(0x0123456789abcdef)
#define KEY "00112233445566778899aabbccddeeff"

static const struct id_name name = { 1763712345123456, 0x9f8e7d6c5b4a3921 };

/* A record with all kinds of lines, then its message. */
static void build(struct str *out, const char *message)
{
	struct envelope e;
	size_t len = strlen(message);
	struct record_header header = { MARK, { name, 5 }, 1763712345000000, 4096, span_of(KEY), span_of("inject"), 1000, 4711, &e };

	envelope_init(&e, 65536);
	assert_int_equal(envelope_set_sender(&e, span_of("frank@example.org")), 0);
	assert_int_equal(envelope_add_attribute(&e, span_of("body"), span_of("8BITMIME")), 0);
	assert_int_equal(envelope_add_attribute(&e, span_of("envid"), span_of("")), 0);
	assert_int_equal(envelope_add_recipient(&e, span_of("root")), 0);
	assert_int_equal(envelope_add_recipient_attribute(&e, span_of("notify"), span_of("NEVER")), 0);
	assert_int_equal(envelope_add_recipient_attribute(&e, span_of("orcpt"), span_of("rfc822;x y")), 0);
	assert_int_equal(envelope_add_recipient(&e, span_of("j\xc3\xbcrgen@example.org")), 0);
	assert_int_equal(record_build(out, &header, len, crc32c(record_body_crc(MARK), message, len)), 0);
	assert_int_equal(str_add(out, message), 0);
	envelope_free(&e);
}

static enum record_kind read_all(const struct str *s, struct record *r)
{
	size_t need;

	return record_read(s->data, s->len, r, &need);
}

static void whole(void **state)
{
	static const char message[] = "Subject: x\n\nhello\n";
	struct str s = STR_INIT(1 << 20);
	struct span rest, address, attributes, attribute, value;
	struct record r;

	(void)state;
	build(&s, message);
	assert_int_equal(memcmp(s.data, "%deaddrop 1 0123456789abcdef ", 29), 0);
	assert_int_equal(s.data[RECORD_LINE - 1], '\n');
	assert_int_equal(read_all(&s, &r), RECORD_WHOLE);
	assert_true(r.mark == MARK && r.header_len + r.body_len == s.len && r.body_len == strlen(message));
	assert_int_equal(r.body_crc, crc32c(record_body_crc(MARK), s.data + r.header_len, r.body_len));
	assert_true(id_equal(r.id, (struct id){ name, 5 }));
	assert_true(r.arrival == 1763712345000000 && r.committed == 4096 && r.uid == 1000 && r.pid == 4711);
	assert_true(span_is(r.key, KEY) && span_is(r.origin, "inject") && span_is(r.sender, "frank@example.org"));
	assert_int_equal(r.recipient_count, 2);
	assert_true(span_is(record_attribute(r.attributes, "body"), "8BITMIME"));
	assert_int_equal(record_attribute(r.attributes, "envid").len, 0);
	assert_int_equal(record_attribute(r.attributes, "tls").len, 0);
	rest = r.recipients;
	assert_true(record_next_recipient(&rest, &address, &attributes));
	assert_true(span_is(address, "root"));
	assert_true(record_next_attribute(&attributes, &attribute, &value));
	assert_true(span_is(attribute, "notify") && span_is(value, "NEVER"));
	assert_true(record_next_attribute(&attributes, &attribute, &value));
	assert_true(span_is(attribute, "orcpt") && span_is(value, "rfc822;x y"));
	assert_false(record_next_attribute(&attributes, &attribute, &value));
	assert_true(record_next_recipient(&rest, &address, &attributes));
	assert_true(span_is(address, "j\xc3\xbcrgen@example.org") && attributes.len == 0);
	assert_false(record_next_recipient(&rest, &address, &attributes));
	str_free(&s);
}

/* A large message's header is written last: built with zeros, sealed later, of the same length. */
static void sealed_later(void **state)
{
	struct str early = STR_INIT(65536), late = STR_INIT(65536);
	struct record r;

	(void)state;
	build(&late, "message\n");
	assert_int_equal(read_all(&late, &r), RECORD_WHOLE);
	assert_int_equal(str_append(&early, late.data, r.header_len), 0);
	record_seal(early.data, early.len, 0, 0);
	assert_int_equal(read_all(&early, &r), RECORD_WHOLE);
	assert_int_equal(r.body_len, 0);
	record_seal(early.data, early.len, 8, crc32c(record_body_crc(MARK), "message\n", 8));
	assert_memory_equal(early.data, late.data, early.len);
	record_seal(early.data, early.len, UINT64_C(999999999999999), 1);
	assert_int_equal(read_all(&early, &r), RECORD_WHOLE);
	assert_true(r.body_len == UINT64_C(999999999999999));
	str_free(&early);
	str_free(&late);
}

/* Copies into a block of exactly that size, so that a sanitizer sees each byte read behind it. */
static enum record_kind read_copy(const char *data, size_t len, size_t *need)
{
	char *copy = malloc(len + (len == 0));
	struct record r;
	enum record_kind kind;

	assert_non_null(copy);
	memcpy(copy, data, len);
	kind = record_read(copy, len, &r, need);
	free(copy);
	return kind;
}

static void cut_anywhere(void **state)
{
	struct str s = STR_INIT(65536), end = STR_INIT(256);
	struct record r;
	size_t need;

	(void)state;
	build(&s, "x");
	assert_int_equal(read_all(&s, &r), RECORD_WHOLE);
	for (size_t len = 1; len < r.header_len; len++) {
		assert_int_equal(read_copy(s.data, len, &need), RECORD_MORE);
		assert_true(need > len && need <= r.header_len);
	}
	assert_int_equal(read_copy(s.data, r.header_len, &need), RECORD_WHOLE);
	assert_int_equal(read_copy(s.data, 0, &need), RECORD_BLANK);
	assert_int_equal(read_copy("\0%dead", 6, &need), RECORD_BLANK);
	assert_int_equal(record_end_mark(&end, MARK, 123456), 0);
	assert_int_equal(end.len, RECORD_END_LINE);
	for (size_t len = 1; len < end.len; len++) {
		assert_int_equal(read_copy(end.data, len, &need), RECORD_MORE);
		assert_true(need > len && need <= RECORD_END_LINE);
	}
	assert_int_equal(read_all(&end, &r), RECORD_END);
	assert_true(r.mark == MARK && r.committed == 123456);
	assert_int_equal(record_end_mark(&end, MARK, UINT64_C(1000000000000000)), -1);
	str_free(&s);
	str_free(&end);
}

static void no_flipped_bit_passes(void **state)
{
	struct str s = STR_INIT(65536), end = STR_INIT(256);
	struct record r;
	size_t need, header;

	(void)state;
	build(&s, "");
	header = s.len;
	assert_int_equal(read_all(&s, &r), RECORD_WHOLE);
	assert_int_equal(record_end_mark(&end, MARK, 99), 0);
	for (size_t bit = 0; bit < header * 8; bit++) {
		enum record_kind kind;

		s.data[bit / 8] ^= (char)(1 << bit % 8);
		kind = read_copy(s.data, s.len, &need);
		assert_true(kind == RECORD_BAD || kind == RECORD_MORE || kind == RECORD_VERSION);
		s.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < end.len * 8; bit++) {
		enum record_kind kind;

		end.data[bit / 8] ^= (char)(1 << bit % 8);
		kind = read_copy(end.data, end.len, &need);
		assert_true(kind == RECORD_BAD || kind == RECORD_MORE || kind == RECORD_VERSION);
		end.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	str_free(&s);
	str_free(&end);
}

/* Random damage, with the checksum made right again half the time: then the lines themselves must be judged. */
static void mutations(void **state)
{
	struct str good = STR_INIT(65536), s = STR_INIT(65536);
	uint32_t seed = 42;

	(void)state;
	build(&good, "");
	for (int round = 0; round < 20000; round++) {
		struct record r;
		size_t need;

		assert_int_equal(str_set(&s, str_span(&good)), 0);
		for (unsigned n = 0; n < 1 + seed % 3; n++) {
			seed = seed * 1664525 + 1013904223;
			s.data[(seed >> 8) % s.len] = (char)(seed >> 24);
		}
		if (round % 2)
			record_seal(s.data, s.len, seed, seed);
		if (record_read(s.data, s.len, &r, &need) == RECORD_WHOLE) {
			struct span rest = r.recipients, address, attributes, attribute, value;
			uint32_t count = 0;

			assert_true(round % 2 || memcmp(s.data, good.data, s.len) == 0);
			for (; record_next_recipient(&rest, &address, &attributes); count++)
				while (record_next_attribute(&attributes, &attribute, &value))
					assert_true(attribute.len > 0);
			assert_true(count == r.recipient_count && rest.len == 0 && count > 0);
		}
	}
	str_free(&good);
	str_free(&s);
}

/* Replaces old in the header by text, seals it anew, and reads it. */
static enum record_kind changed(const char *old, const char *text)
{
	struct str good = STR_INIT(65536), s = STR_INIT(65536);
	enum record_kind kind;
	struct record r;
	char *at;

	build(&good, "");
	at = memmem(good.data, good.len, old, strlen(old));
	assert_non_null(at);
	assert_int_equal(str_append(&s, good.data, (size_t)(at - good.data)), 0);
	assert_int_equal(str_add(&s, text), 0);
	assert_int_equal(str_add(&s, at + strlen(old)), 0);
	record_seal(s.data, s.len, 0, record_body_crc(MARK));
	kind = read_all(&s, &r);
	str_free(&good);
	str_free(&s);
	return kind;
}

static void strict_lines(void **state)
{
	static const struct { const char *old, *text; } wrong[] = {
		{ "id 17", "id 1x" }, { "id ", "Id " }, { "arrival 1763712345000000", "arrival " }, { "arrival 17", "arrival -17" }, { "committed 4096\n", "" },
		{ "committed 4096", "committed 4096 " }, { "committed 4096", "committed 18446744073709551615" }, { KEY, KEY "0" }, { KEY, "" },
		{ "key 0011", "key 001G" }, { "origin inject", "origin " }, { "origin inject", "origin a b" }, { "uid=1000", "uid=4294967296" }, { " pid=4711", "" },
		{ "pid=4711", "pid=-1" }, { "attr body", "attr bo dy\nsender" }, { "attr body", "attr BODY" }, { "attr body 8BITMIME", "attr body" },
		{ "attr body", "attr  " }, { "sender frank@example.org", "sender" }, { "sender frank@example.org\n", "" }, { "sender frank", "sender fr\tank" },
		{ "rcpt root", "rcpt " }, { "rcpt root\n", "" }, { "rattr notify", "rattr " }, { "rattr notify", "attr notify" }, { "sender f", "other x\nsender f" },
		{ "rcpt root", "rcpt ro\rot" }, { "example.org\n\n", "example.org\n" }, { "example.org\n\n", "example.org\n\n\n" }, { "example.org\n\n", "example.org\nx\n\n" },
		{ "arrival 1763712345000000\ncommitted 4096\n", "committed 4096\narrival 1763712345000000\n" },
	};

	(void)state;
	assert_int_equal(changed("key " KEY, "key -"), RECORD_WHOLE);
	assert_int_equal(changed("sender frank@example.org", "sender "), RECORD_WHOLE);
	assert_int_equal(changed("attr body 8BITMIME", "attr new-in-later-version x"), RECORD_WHOLE);
	assert_int_equal(changed("%deaddrop 1 ", "%deaddrop 2 "), RECORD_VERSION);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (changed(wrong[i].old, wrong[i].text) != RECORD_BAD)
			fail_msg("'%s' as '%s' was taken", wrong[i].old, wrong[i].text);
}

static void heads(void **state)
{
	static const struct { const char *text; enum record_kind kind; } cases[] = {
		{ "x", RECORD_BAD }, { "%deaddrops 1 ", RECORD_BAD }, { "%deaddrop 0 x", RECORD_BAD }, { "%deaddrop 12 abc", RECORD_VERSION }, { "%deaddrop 9999999999 ", RECORD_BAD },
		{ "%deaddrop  1", RECORD_BAD }, { "%deaddrop-end 2 ", RECORD_VERSION }, { "%deaddrop-ens", RECORD_BAD }, { "%deaddrop 12", RECORD_MORE }, { "\n", RECORD_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t need;

		assert_int_equal(read_copy(cases[i].text, strlen(cases[i].text), &need), cases[i].kind);
	}
}

static void refused_headers(void **state)
{
	struct envelope e;
	struct str out = STR_INIT(65536);
	struct record_header good = { MARK, { name, 0 }, 1, 0, span_of("-"), span_of("send"), 0, 1, &e }, h = good;

	(void)state;
	envelope_init(&e, 65536);
	assert_int_equal(record_build(&out, &h, 0, 0), -1);	/* no recipient */
	assert_int_equal(envelope_add_recipient(&e, span_of("a")), 0);
	assert_int_equal(record_build(&out, &h, 0, 0), 0);
	str_cut(&out, 0);
	h.key = span_of("abc");
	assert_int_equal(record_build(&out, &h, 0, 0), -1);
	h = good;
	h.origin = span_of("two words");
	assert_int_equal(record_build(&out, &h, 0, 0), -1);
	assert_int_equal(record_build(&out, &good, UINT64_C(1000000000000000), 0), -1);
	out.max = 100;
	assert_int_equal(record_build(&out, &good, 0, 0), -1);
	assert_int_equal(out.len, 0);
	str_free(&out);
	envelope_free(&e);
}

static void found_places(void **state)
{
	static const char other[] = "%deaddrop 1 0123456789abcdee ", bare[] = " 0123456789abcdef %deaddrop-end 1 0123456789abcde";
	struct str s = STR_INIT(65536);
	size_t first, second, end;

	(void)state;
	assert_int_equal(str_add(&s, other), 0);
	assert_int_equal(str_add(&s, bare), 0);
	first = s.len;
	build(&s, "%deaddrop 1 \n");
	second = s.len;
	build(&s, "");
	end = s.len;
	assert_int_equal(record_end_mark(&s, MARK, end), 0);
	assert_int_equal(record_find(s.data, s.len, 0, MARK), first);
	assert_int_equal(record_find(s.data, s.len, first, MARK), first);
	assert_int_equal(record_find(s.data, s.len, first + 1, MARK), second);
	assert_int_equal(record_find(s.data, s.len, second + 1, MARK), end);
	assert_int_equal(record_find(s.data, s.len, end + 1, MARK), s.len);
	assert_int_equal(record_find(s.data, s.len, s.len + 5, MARK), s.len);
	assert_int_equal(record_find(s.data, end + 31, end, MARK), end + 31);
	assert_int_equal(record_find("", 0, 0, MARK), 0);
	str_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole), cmocka_unit_test(sealed_later), cmocka_unit_test(cut_anywhere),
	    cmocka_unit_test(no_flipped_bit_passes), cmocka_unit_test(mutations), cmocka_unit_test(strict_lines), cmocka_unit_test(heads),
	    cmocka_unit_test(refused_headers), cmocka_unit_test(found_places) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
