/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "sasl.h"

static struct str out, error;

static int set_up(void **state)
{
	(void)state;
	out = (struct str)STR_INIT(SASL_MESSAGE_MAX);
	error = (struct str)STR_INIT(SASL_ERROR_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	str_wipe(&out);
	str_free(&error);
	return 0;
}

static struct sasl_identity identity(const char *user, const char *password)
{
	return (struct sasl_identity){ .user = span_of(user), .password = span_of(password), .clear = true };
}

static struct sasl_client *client_of(const char *name, const struct sasl_identity *who, const char *offered, const char *nonce)
{
	struct sasl_client *client = sasl_client_new(sasl_find(span_of(name)), who, span_of(offered), nonce, &error);

	if (client == NULL)
		fail_msg("%s: %s", name, error.data);
	return client;
}

static enum sasl_result step(struct sasl_client *client, const char *challenge)
{
	return sasl_client_step(client, span_of(challenge), &out, &error);
}

/* The exchanges of RFC 5802 section 5 and RFC 7677 section 3. */
static const struct vector {
	const char *mechanism, *nonce, *first, *server, *final, *last;
} vectors[] = {
	{ "SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ "SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

static void scram_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct vector *v = &vectors[i];
		struct sasl_identity who = identity("user", "pencil");
		struct sasl_client *client = client_of(v->mechanism, &who, "", v->nonce);

		assert_true(sasl_client_first(client));
		assert_int_equal(step(client, ""), SASL_MORE);
		assert_string_equal(out.data, v->first);
		assert_int_equal(step(client, v->server), SASL_MORE);
		assert_string_equal(out.data, v->final);
		assert_int_equal(step(client, v->last), SASL_DONE);
		assert_int_equal(out.len, 0);
		assert_int_equal(sasl_client_accepted(client, span_of(""), &error), 0);
		assert_int_equal(step(client, ""), SASL_FAILED);
		sasl_client_free(client);
	}
}

/* The proof may come with the server's yes; without one the yes counts for nothing. */
static void scram_needs_the_servers_proof(void **state)
{
	static const struct { const char *last; bool as_data, good; } cases[] = {
		{ "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", true, true }, { "", true, false },
		{ "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", true, false }, { "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", false, false },
		{ "v=", false, false }, { "", false, false }, { "e=invalid-proof", false, false }, { "v=6rriTRBi23WpRR/wtup+mMhUZUk=", false, false },
		{ "x=1,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", false, false },
	};
	const struct vector *v = &vectors[1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sasl_identity who = identity("user", "pencil");
		struct sasl_client *client = client_of(v->mechanism, &who, "", v->nonce);

		assert_int_equal(step(client, ""), SASL_MORE);
		assert_int_equal(step(client, v->server), SASL_MORE);
		if (!cases[i].as_data) {
			assert_int_equal(step(client, cases[i].last), SASL_FAILED);
			assert_true(error.len > 0);
		}
		assert_int_equal(sasl_client_accepted(client, span_of(cases[i].as_data ? cases[i].last : ""), &error), cases[i].good ? 0 : -1);
		sasl_client_free(client);
	}
}

static void scram_refuses_offers(void **state)
{
	static const char *const wrong[] = {
		"", "r=", "r=abc", "s=QUJD,r=abcd,i=4096", "r=abd1,s=QUJD,i=4096", "r=abc,s=QUJD,i=4096", "r=xabc1,s=QUJD,i=4096", "r=abc1,s=QUJD,i=4095",
		"r=abc1,s=QUJD,i=10000001", "r=abc1,s=QUJD,i=99999999999999999999", "r=abc1,s=QUJD,i=-1", "r=abc1,s=QUJD,i=", "r=abc1,s=QUJD",
		"r=abc1,s=,i=4096", "r=abc1,s=QU=JD,i=4096", "m=x,r=abc1,s=QUJD,i=4096", "r=abc1\x01,s=QUJD,i=4096", "e=no,r=abc1,s=QUJD,i=4096",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct sasl_identity who = identity("user", "pencil");
		struct sasl_client *client = client_of("SCRAM-SHA-256", &who, "", "abc");

		assert_int_equal(step(client, ""), SASL_MORE);
		str_cut(&error, 0);
		assert_int_equal(step(client, wrong[i]), SASL_FAILED);
		assert_int_equal(out.len, 0);
		assert_true(error.len > 0);
		assert_int_equal(sasl_client_accepted(client, span_of(""), &error), -1);
		sasl_client_free(client);
	}
}

static void scram_flags(void **state)
{
	static const struct { const char *mechanism, *offered, *binding, *first; } cases[] = {
		{ "SCRAM-SHA-256", "SCRAM-SHA-256 PLAIN", NULL, "n,,n=user,r=abc" },
		{ "SCRAM-SHA-256", "SCRAM-SHA-256 PLAIN", "tls-exporter", "y,,n=user,r=abc" },
		{ "SCRAM-SHA-256", "SCRAM-SHA-256 SCRAM-SHA-1-PLUS", "tls-exporter", "n,,n=user,r=abc" },
		{ "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", "tls-exporter", "p=tls-exporter,,n=user,r=abc" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sasl_identity who = identity("user", "pencil");
		struct sasl_client *client;

		who.binding_name = cases[i].binding;
		who.binding = span_of(cases[i].binding != NULL ? "\x01\x02\x03" : "");
		client = client_of(cases[i].mechanism, &who, cases[i].offered, "abc");
		assert_int_equal(step(client, ""), SASL_MORE);
		assert_string_equal(out.data, cases[i].first);
		assert_int_equal(step(client, "r=abcd,s=QUJD,i=4096"), SASL_MORE);
		if (i == 3)		/* the header with the data */
			assert_true(span_starts(str_span(&out), "c=cD10bHMtZXhwb3J0ZXIsLAECAw==,r=abcd,p="));
		sasl_client_free(client);
	}
}

static void scram_names_are_escaped(void **state)
{
	struct sasl_identity who = identity("a=b,c", "x");
	struct sasl_client *client;

	(void)state;
	who.authorize = span_of("x,y");
	client = client_of("SCRAM-SHA-1", &who, "", "abc");
	assert_int_equal(step(client, ""), SASL_MORE);
	assert_string_equal(out.data, "n,a=x=2Cy,n=a=3Db=2Cc,r=abc");
	sasl_client_free(client);
}

static void is_base64(const char *expected)
{
	struct str text = STR_INIT(10000);

	assert_int_equal(base64_encode(&text, str_span(&out)), 0);
	assert_string_equal(text.data, expected);
	str_free(&text);
}

static void simple_clients(void **state)
{
	struct sasl_identity who = identity("tim", "tanstaaftanstaaf");
	struct sasl_client *client = client_of("PLAIN", &who, "", NULL);

	(void)state;
	assert_int_equal(step(client, ""), SASL_DONE);
	is_base64("AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
	assert_int_equal(sasl_client_accepted(client, span_of(""), &error), 0);
	assert_int_equal(step(client, "what else"), SASL_FAILED);
	sasl_client_free(client);

	client = client_of("CRAM-MD5", &who, "", NULL);
	assert_false(sasl_client_first(client));
	assert_int_equal(step(client, "<1896.697170952@postoffice.reston.mci.net>"), SASL_DONE);
	assert_string_equal(out.data, "tim b913a602c7eda7a495b4e6e7334d3890");
	sasl_client_free(client);

	who = identity("user", "pass");
	client = client_of("CRAM-MD5", &who, "", NULL);
	assert_int_equal(step(client, ""), SASL_FAILED);
	sasl_client_free(client);
	client = client_of("CRAM-MD5", &who, "", NULL);
	assert_int_equal(step(client, "<123456.1322876914@testserver>"), SASL_DONE);
	assert_string_equal(out.data, "user 287eb355114cf5c471c26a875f1ca4ae");
	sasl_client_free(client);

	who = identity("Kurt", "xipj3plmq");
	who.authorize = span_of("Ursel");
	client = client_of("PLAIN", &who, "", NULL);
	assert_int_equal(step(client, ""), SASL_DONE);
	is_base64("VXJzZWwAS3VydAB4aXBqM3BsbXE=");
	sasl_client_free(client);

	who = identity("bob@mydomain.tld", "secret");
	client = client_of("LOGIN", &who, "", NULL);
	assert_false(sasl_client_first(client));
	assert_int_equal(step(client, "Username:"), SASL_MORE);
	is_base64("Ym9iQG15ZG9tYWluLnRsZA==");
	assert_int_equal(sasl_client_accepted(client, span_of(""), &error), -1);
	assert_int_equal(step(client, "Password:"), SASL_DONE);
	is_base64("c2VjcmV0");
	assert_int_equal(sasl_client_accepted(client, span_of(""), &error), 0);
	sasl_client_free(client);

	client = client_of("EXTERNAL", &who, "", NULL);
	assert_int_equal(step(client, ""), SASL_DONE);
	assert_int_equal(out.len, 0);
	sasl_client_free(client);
}

static void token_clients(void **state)
{
	struct sasl_identity who = identity("someuser@example.com", "");
	struct sasl_client *client;

	(void)state;
	who.token = span_of("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
	client = client_of("XOAUTH2", &who, "", NULL);
	assert_int_equal(step(client, ""), SASL_DONE);
	is_base64("dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==");
	assert_int_equal(step(client, "{\"status\":\"400\"}"), SASL_REFUSED);
	assert_int_equal(out.len, 0);
	assert_string_equal(error.data, "the token is refused: {\"status\":\"400\"}");
	assert_int_equal(sasl_client_accepted(client, span_of(""), &error), -1);
	sasl_client_free(client);

	who = identity("user@example.com", "");
	who.token = span_of("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
	who.host = "server.example.com";
	who.port = 143;
	client = client_of("OAUTHBEARER", &who, "", NULL);
	assert_int_equal(step(client, ""), SASL_DONE);
	is_base64("bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
	assert_int_equal(step(client, "{\"status\":\"invalid_token\"}"), SASL_REFUSED);
	assert_string_equal(out.data, "\001");
	assert_int_equal(step(client, "more"), SASL_FAILED);
	sasl_client_free(client);
}

static void refuses_identities(void **state)
{
	static const struct { const char *mechanism, *user, *password, *token; } wrong[] = {
		{ "PLAIN", "a\nb", "x", "" }, { "PLAIN", "a", "x\x7f", "" }, { "SCRAM-SHA-256", "a", "x\r", "" }, { "XOAUTH2", "a", "", "to ken" },
		{ "XOAUTH2", "a", "", "token\n" }, { "XOAUTH2", "a", "", "t\xc3\xbc" }, { "SCRAM-SHA-256-PLUS", "a", "b", "" },
	};
	struct sasl_identity who = identity("a", "");

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct sasl_identity bad = identity(wrong[i].user, wrong[i].password);

		bad.token = span_of(wrong[i].token);
		assert_null(sasl_client_new(sasl_find(span_of(wrong[i].mechanism)), &bad, span_of(""), NULL, &error));
		assert_true(error.len > 0);
	}
	who.password = (struct span){ "x\0y", 3 };
	assert_null(sasl_client_new(sasl_find(span_of("plain")), &who, span_of(""), NULL, &error));
}

static void choosing(void **state)
{
	static const struct { const char *offered, *allowed, *password, *token, *binding; bool certificate, clear; const char *choice; } cases[] = {
		{ "PLAIN LOGIN CRAM-MD5", NULL, "x", "", NULL, false, true, "PLAIN" },
		{ "LOGIN CRAM-MD5", NULL, "x", "", NULL, false, true, "LOGIN" },
		{ "PLAIN LOGIN CRAM-MD5", NULL, "x", "", NULL, false, false, "CRAM-MD5" },
		{ "PLAIN LOGIN", NULL, "x", "", NULL, false, false, NULL },
		{ "plain scram-sha-1 Scram-Sha-256", NULL, "x", "", NULL, false, true, "SCRAM-SHA-256" },
		{ "SCRAM-SHA-256 SCRAM-SHA-1-PLUS", NULL, "x", "", NULL, false, true, "SCRAM-SHA-256" },
		{ "SCRAM-SHA-256 SCRAM-SHA-1-PLUS", NULL, "x", "", "tls-unique", false, true, "SCRAM-SHA-1-PLUS" },
		{ "SCRAM-SHA-256-PLUS  PLAIN", "PLAIN", "x", "", "tls-unique", false, true, "PLAIN" },
		{ "XOAUTH2 OAUTHBEARER PLAIN", NULL, "x", "t", NULL, false, true, "OAUTHBEARER" },
		{ "XOAUTH2 PLAIN", NULL, "", "t", NULL, false, true, "XOAUTH2" },
		{ "XOAUTH2", NULL, "", "t", NULL, false, false, NULL },
		{ "XOAUTH2 EXTERNAL", NULL, "", "", NULL, true, true, "EXTERNAL" },
		{ "GSSAPI NTLM", NULL, "x", "", NULL, false, true, NULL },
		{ "", NULL, "x", "", NULL, false, true, NULL },
		{ "PLAINTEXT", NULL, "x", "", NULL, false, true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sasl_identity who = { .user = span_of("u"), .password = span_of(cases[i].password), .token = span_of(cases[i].token),
			.certificate = cases[i].certificate, .clear = cases[i].clear, .binding_name = cases[i].binding };
		const struct sasl_mechanism *choice = sasl_choose(span_of(cases[i].offered), cases[i].allowed, &who, &error);

		if (cases[i].choice == NULL) {
			assert_null(choice);
			assert_true(error.len > 0);
			continue;
		}
		if (choice == NULL)
			fail_msg("%s: %s", cases[i].offered, error.data);
		assert_string_equal(sasl_name(choice), cases[i].choice);
		assert_int_equal(error.len, 0);
	}
	assert_null(sasl_find(span_of("SCRAM")));
}

/* Server */

struct user { const char *name, *secret; };
static const struct user users[] = {
	{ "user", "{PLAIN}pencil" },
	{ "kept1", "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=" },
	{ "kept256", "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" },
	{ "broken", "SCRAM-SHA-256$x:y$z" }, { "a=b,c", "{PLAIN}pencil" }, { "empty", "{PLAIN}" },
};

static bool look_up(void *arg, struct span user, struct str *secret)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(users) / sizeof(*users); i++)
		if (span_is(user, users[i].name))
			return str_add(secret, users[i].secret) == 0;
	return false;
}

static const struct sasl_server_users base = { .lookup = look_up, .seed = "0123456789abcdef0123456789abcde" };

static struct sasl_server *server_of(const char *name, const char *nonce)
{
	struct sasl_server *server = sasl_server_new(sasl_find(span_of(name)), &base, nonce, &error);

	assert_non_null(server);
	return server;
}

/* Both sides of ours against each other.  True where both say yes. */
static bool talk(const char *mechanism, const char *user, const char *password)
{
	struct sasl_identity who = identity(user, password);
	struct sasl_client *client = client_of(mechanism, &who, "", NULL);
	struct sasl_server *server = server_of(mechanism, NULL);
	struct str from_client = STR_INIT(SASL_MESSAGE_MAX), from_server = STR_INIT(SASL_MESSAGE_MAX);
	enum sasl_result said = SASL_MORE, result;
	bool has = sasl_client_first(client), good = false;

	if (has)
		said = sasl_client_step(client, span_of(""), &from_client, &error);
	while ((result = sasl_server_step(server, has, str_span(&from_client), &from_server, &error)) == SASL_MORE) {
		said = sasl_client_step(client, str_span(&from_server), &from_client, &error);
		if (said == SASL_FAILED)
			break;
		has = true;
	}
	if (result == SASL_DONE) {
		assert_true(span_is(sasl_server_user(server), user));
		assert_int_equal(said, SASL_DONE);
		good = sasl_client_accepted(client, span_of(""), &error) == 0;
	}
	sasl_client_free(client);
	sasl_server_free(server);
	str_wipe(&from_client);
	str_wipe(&from_server);
	return good;
}

static void both_sides(void **state)
{
	static const char *const all[] = { "PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(talk(all[i], "user", "pencil"));
		assert_false(talk(all[i], "user", "pencil2"));
		assert_false(talk(all[i], "user", "penci"));
		assert_false(talk(all[i], "nobody", "pencil"));
		assert_true(talk(all[i], "a=b,c", "pencil"));
		assert_false(talk(all[i], "broken", "pencil"));
		assert_false(talk(all[i], "empty", "x"));
		assert_int_equal(talk(all[i], "kept1", "pencil"), i != 3);
		assert_int_equal(talk(all[i], "kept256", "pencil"), i != 2);
		assert_false(talk(all[i], "kept256", "pencils"));
		assert_false(talk(all[i], "kept1", "pencils"));
	}
}

static void scram_server(void **state)
{
	const struct vector *v = &vectors[1];
	const char *own = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct sasl_server *server;

	(void)state;
	for (int variant = 0; variant < 5; variant++) {
		struct str first = STR_INIT(1000), final = STR_INIT(1000);

		assert_int_equal(str_printf(&first, "%s,,n=kept256,r=%s", variant == 1 ? "y" : "n", v->nonce), 0);
		server = server_of("SCRAM-SHA-256", own);
		assert_int_equal(sasl_server_step(server, true, str_span(&first), &out, &error), SASL_MORE);
		assert_string_equal(out.data, v->server);
		/* the name is part of what is signed, so that the known proof is wrong here */
		assert_int_equal(str_add(&final, v->final), 0);
		if (variant == 2)
			final.data[2] = 'c';		/* another header */
		if (variant == 3)
			final.data[9] = 'x';		/* another nonce */
		if (variant == 4)
			str_cut(&final, final.len - 10);
		assert_int_equal(sasl_server_step(server, true, str_span(&final), &out, &error), SASL_FAILED);
		assert_int_equal(sasl_server_step(server, true, str_span(&final), &out, &error), SASL_FAILED);
		sasl_server_free(server);
		str_free(&first);
		str_free(&final);
	}
	/* one who does not exist looks like one who does, at every try */
	for (int i = 0; i < 2; i++) {
		server = server_of("SCRAM-SHA-256", "x");
		assert_int_equal(sasl_server_step(server, true, span_of("n,,n=nobody,r=abc"), &out, &error), SASL_MORE);
		assert_true(span_starts(str_span(&out), "r=abcx,s="));
		if (i == 0)
			assert_int_equal(str_set(&error, str_span(&out)), 0);
		else
			assert_string_equal(error.data, out.data);
		sasl_server_free(server);
	}
}

static void server_refuses(void **state)
{
	static const struct { const char *mechanism; struct span response; } wrong[] = {
		{ "PLAIN", { "", 0 } }, { "PLAIN", { "user", 4 } }, { "PLAIN", { "\0user", 5 } }, { "PLAIN", { "\0user\0", 6 } }, { "PLAIN", { "\0\0pencil", 8 } },
		{ "PLAIN", { "root\0user\0pencil", 16 } }, { "PLAIN", { "\0user\0pencil\0", 13 } }, { "PLAIN", { "\0us\ner\0pencil", 13 } }, { "LOGIN", { "", 0 } },
		{ "LOGIN", { "a\0", 2 } }, { "SCRAM-SHA-256", { "p=tls-unique,,n=user,r=abc", 26 } }, { "SCRAM-SHA-256", { "n,,n=user", 9 } },
		{ "SCRAM-SHA-256", { "n,a=root,n=user,r=abc", 21 } }, { "SCRAM-SHA-256", { "n,,n=us=er,r=abc", 16 } }, { "SCRAM-SHA-256", { "n,,m=1,n=user,r=abc", 19 } },
		{ "SCRAM-SHA-256", { "n,,n=user,r=", 12 } }, { "SCRAM-SHA-256", { "n", 1 } }, { "SCRAM-SHA-256", { "n,", 2 } }, { "SCRAM-SHA-256", { "", 0 } },
		{ "SCRAM-SHA-256", { "n,,n=,r=abc", 11 } },
	};
	struct sasl_server *server;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		server = server_of(wrong[i].mechanism, NULL);
		str_cut(&error, 0);
		assert_int_equal(sasl_server_step(server, true, wrong[i].response, &out, &error), SASL_FAILED);
		assert_true(error.len > 0);
		assert_int_equal(out.len, 0);
		sasl_server_free(server);
	}
	server = server_of("PLAIN", NULL);		/* acting for oneself is */
	assert_int_equal(sasl_server_step(server, true, (struct span){ "user\0user\0pencil", 16 }, &out, &error), SASL_DONE);
	assert_int_equal(sasl_server_step(server, true, (struct span){ "user\0user\0pencil", 16 }, &out, &error), SASL_FAILED);
	sasl_server_free(server);
	assert_null(sasl_server_new(sasl_find(span_of("CRAM-MD5")), &base, NULL, &error));
	assert_null(sasl_server_new(sasl_find(span_of("SCRAM-SHA-1-PLUS")), &base, NULL, &error));
	assert_true(sasl_server_has(sasl_find(span_of("LOGIN"))));
	assert_true(sasl_server_clear(sasl_find(span_of("LOGIN"))));
	assert_false(sasl_server_clear(sasl_find(span_of("SCRAM-SHA-1"))));
}

static void verifiers(void **state)
{
	const struct sasl_mechanism *sha256 = sasl_find(span_of("SCRAM-SHA-256"));
	struct str salt = STR_INIT(100);

	(void)state;
	assert_int_equal(base64_decode(&salt, span_of("W22ZaJ0SNY7soEsUEjb6gQ==")), 0);
	str_cut(&out, 0);
	assert_int_equal(sasl_verifier(&out, sha256, span_of("pencil"), str_span(&salt), 4096, &error), 0);
	assert_string_equal(out.data, users[2].secret);
	str_cut(&out, 0);
	assert_int_equal(sasl_verifier(&out, sha256, span_of("pencil"), span_of(""), 4096, &error), 0);
	assert_string_not_equal(out.data, users[2].secret);
	assert_int_equal(sasl_verifier(&out, sha256, span_of("pencil"), span_of("x"), 4095, &error), -1);
	assert_int_equal(sasl_verifier(&out, sha256, span_of(""), span_of("x"), 4096, &error), -1);
	assert_int_equal(sasl_verifier(&out, sha256, span_of("a\n"), span_of("x"), 4096, &error), -1);
	assert_int_equal(sasl_verifier(&out, sasl_find(span_of("PLAIN")), span_of("a"), span_of("x"), 4096, &error), -1);
	str_free(&salt);
}

/* Every message cut short and with every byte changed: no crash (under a sanitizer), and never a yes. */
static void broken_messages(void **state)
{
	const struct vector *v = &vectors[0];
	const char *const messages[] = { v->server, v->last };

	(void)state;
	for (int which = 0; which < 2; which++) {
		const size_t len = strlen(messages[which]);

		for (size_t at = 0; at < len; at++) {
			struct sasl_identity who = identity("user", "pencil");
			struct sasl_client *client = client_of(v->mechanism, &who, "", v->nonce);
			char text[200];
			enum sasl_result result;

			memcpy(text, messages[which], len);
			text[at] = (char)(text[at] ^ 1);
			assert_int_equal(step(client, ""), SASL_MORE);
			if (which == 1)
				assert_int_equal(step(client, v->server), SASL_MORE);
			result = sasl_client_step(client, (struct span){ text, at % 2 ? len : at }, &out, &error);
			if (which == 0 && result == SASL_MORE)
				result = step(client, v->last);
			assert_int_equal(result, SASL_FAILED);
			sasl_client_free(client);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram_client),
		cmocka_unit_test(scram_needs_the_servers_proof),
		cmocka_unit_test(scram_refuses_offers),
		cmocka_unit_test(scram_flags),
		cmocka_unit_test(scram_names_are_escaped),
		cmocka_unit_test(simple_clients),
		cmocka_unit_test(token_clients),
		cmocka_unit_test(refuses_identities),
		cmocka_unit_test(choosing),
		cmocka_unit_test(both_sides),
		cmocka_unit_test(scram_server),
		cmocka_unit_test(server_refuses),
		cmocka_unit_test(verifiers),
		cmocka_unit_test(broken_messages),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
