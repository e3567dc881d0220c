/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client and server of ours against each other over a socket pair, and the client against what it must refuse. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "sandbox.h"
#include "testcert.h"
#include "tls.h"

#include <openssl/ssl.h>

static char directory[] = "/tmp/deaddrop-tls-XXXXXX";
static struct str error;
static struct testcert root, intermediate, good, wrong_name, expired, early, stranger, self_signed;

static const struct { const char *name; struct testcert *certificate, *with; bool key; } files[] = {
	{ "root", &root, NULL, false }, { "intermediate", &intermediate, NULL, false }, { "good", &good, &intermediate, true }, { "wrong", &wrong_name, NULL, true },
	{ "expired", &expired, NULL, true }, { "early", &early, NULL, true }, { "stranger", &stranger, NULL, true }, { "self", &self_signed, NULL, true },
	{ "alone", &good, NULL, true },
};

static const char *path_of(const char *name)
{
	static char path[4][300];
	static unsigned next;
	char *text = path[next++ % 4];

	snprintf(text, sizeof(path[0]), "%s/%s.pem", directory, name);
	return text;
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	root = testcert_make(NULL, "Test Root", NULL, true, -TESTCERT_DAY, TESTCERT_DAY);
	intermediate = testcert_make(&root, "Test Intermediate", NULL, true, -TESTCERT_DAY, TESTCERT_DAY);
	good = testcert_make(&intermediate, "good", "DNS:mail.example.org,DNS:*.wild.example.org,IP:192.0.2.1,IP:2001:db8::1", false, -TESTCERT_DAY, TESTCERT_DAY);
	wrong_name = testcert_make(&root, "wrong", "DNS:other.example.net", false, -TESTCERT_DAY, TESTCERT_DAY);
	expired = testcert_make(&root, "expired", "DNS:mail.example.org", false, -10 * TESTCERT_DAY, -TESTCERT_DAY);
	early = testcert_make(&root, "early", "DNS:mail.example.org", false, TESTCERT_DAY, 2 * TESTCERT_DAY);
	stranger = testcert_make(NULL, "Other Root", NULL, true, -TESTCERT_DAY, TESTCERT_DAY);
	self_signed = testcert_make(NULL, "mail.example.org", "DNS:mail.example.org", false, -TESTCERT_DAY, TESTCERT_DAY);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		testcert_write(directory, files[i].name, files[i].certificate, files[i].with, files[i].key);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		unlink(path_of(files[i].name));
		if (strcmp(files[i].name, "alone") != 0)
			testcert_free(files[i].certificate);
	}
	str_free(&error);
	return rmdir(directory);
}

struct pair {
	struct tls_trust *trust;
	struct tls_context *client_context, *server_context;
	struct tls *client, *server;
	int fd[2];
};

/* certificate: of the server.  ca NULL: the client verifies nothing by chain. */
static void open_pair(struct pair *pair, const char *certificate, const char *ca)
{
	memset(pair, 0, sizeof(*pair));
	pair->client_context = tls_context_new();
	pair->server_context = tls_context_new();
	if (ca != NULL) {
		pair->trust = tls_trust_open(path_of(ca), &error);
		assert_non_null(pair->trust);
		tls_context_trust(pair->client_context, pair->trust);
	}
	if (tls_context_certificate(pair->server_context, path_of(certificate), path_of(certificate), &error) < 0)
		fail_msg("%s", error.data);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fd), 0);
}

/* The client's result. */
static enum tls_result shake(struct pair *pair, const char *host)
{
	enum tls_result client = TLS_WANT_READ, server = TLS_WANT_READ;

	pair->client = tls_client(pair->client_context, host, &error);
	pair->server = tls_server(pair->server_context, &error);
	if (pair->client == NULL || pair->server == NULL)
		fail_msg("%s", error.data);
	assert_int_equal(tls_attach(pair->client, pair->fd[0], pair->fd[0]), 0);
	assert_int_equal(tls_attach(pair->server, pair->fd[1], pair->fd[1]), 0);
	for (int i = 0; i < 20; i++) {
		if (client != TLS_OK && client != TLS_FAILED)
			client = tls_handshake(pair->client);
		if (server != TLS_OK && server != TLS_FAILED)
			server = tls_handshake(pair->server);
		if (client == TLS_FAILED || (client == TLS_OK && server == TLS_OK))
			return client;
	}
	fail_msg("no end of the handshake: %d %d", client, server);
	return TLS_FAILED;
}

static void close_pair(struct pair *pair)
{
	tls_free(pair->client);
	tls_free(pair->server);
	tls_context_free(pair->client_context);
	tls_context_free(pair->server_context);
	tls_trust_free(pair->trust);
	close(pair->fd[0]);
	close(pair->fd[1]);
}

static void pass_bytes(struct pair *pair)
{
	char data[100];
	size_t n;

	assert_int_equal(tls_write(pair->client, "hello", 5, &n), TLS_OK);
	assert_int_equal(n, 5);
	assert_int_equal(tls_read(pair->server, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(tls_read(pair->server, data, sizeof(data), &n), TLS_WANT_READ);
	assert_int_equal(tls_write(pair->server, "answer", 6, &n), TLS_OK);
	assert_int_equal(tls_read(pair->client, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, 6);
	assert_int_equal(tls_close(pair->client), TLS_OK);
	assert_int_equal(tls_read(pair->server, data, sizeof(data), &n), TLS_CLOSED);
}

static void names_and_chains(void **state)
{
	static const struct { const char *certificate, *ca, *host, *why; } cases[] = {
		{ "good", "root", "mail.example.org", NULL }, { "good", "root", "MAIL.example.org.", NULL }, { "good", "root", "a.wild.example.org", NULL },
		{ "good", "root", "192.0.2.1", NULL }, { "good", "root", "[2001:db8::1]", NULL }, { "good", "root", "2001:db8:0::1", NULL },
		{ "alone", "intermediate", "mail.example.org", NULL },		/* the operator's anchor need not be a root */
		{ "self", "self", "mail.example.org", NULL },
		{ "good", "root", "mail.example.com", "TLS with mail.example.com: hostname mismatch (it is for mail.example.org, *.wild.example.org)" },
		{ "good", "root", "a.b.wild.example.org", "hostname mismatch" }, { "good", "root", "192.0.2.2", "IP address mismatch" },
		{ "good", "root", "2001:db8::2", "IP address mismatch" }, { "wrong", "root", "mail.example.org", "(it is for other.example.net)" },
		{ "wrong", "root", "wrong", "hostname mismatch" },		/* the common name counts only where there are no others */
		{ "expired", "root", "mail.example.org", "certificate has expired (on " }, { "early", "root", "mail.example.org", "certificate is not yet valid (before " },
		{ "good", "stranger", "mail.example.org", "unable to get local issuer certificate (issuer CN=Test Root)" },
		{ "alone", "root", "mail.example.org", "unable to get local issuer certificate (issuer CN=Test Intermediate)" },
		{ "self", "root", "mail.example.org", "self-signed certificate" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum tls_result result;
		struct pair pair;

		open_pair(&pair, cases[i].certificate, cases[i].ca);
		result = shake(&pair, cases[i].host);
		if (cases[i].why == NULL) {
			if (result != TLS_OK)
				fail_msg("%zu: %s", i, tls_error(pair.client));
			assert_true(tls_verified(pair.client));
			assert_string_equal(tls_version(pair.client), "TLSv1.3");
			pass_bytes(&pair);
		} else {
			char byte[10];
			size_t n;

			assert_int_equal(result, TLS_FAILED);
			if (strstr(tls_error(pair.client), cases[i].why) == NULL)
				fail_msg("%zu: %s", i, tls_error(pair.client));
			assert_false(tls_verified(pair.client));
			assert_int_equal(tls_write(pair.client, "x", 1, &n), TLS_FAILED);
			assert_int_equal(tls_read(pair.client, byte, sizeof(byte), &n), TLS_FAILED);
		}
		close_pair(&pair);
	}
}

static void pin_text(const struct testcert *certificate, struct str *out, bool hex)
{
	unsigned char *der = NULL, hash[32];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate->certificate), &der);
	char text[64];

	assert_int_equal(EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL), 1);
	OPENSSL_free(der);
	str_cut(out, 0);
	if (hex) {
		for (size_t i = 0; i < 32; i++)
			assert_int_equal(str_printf(out, "%s%02X", i > 0 ? ":" : "sha256:", hash[i]), 0);
		return;
	}
	EVP_EncodeBlock((unsigned char *)text, hash, 32);
	assert_int_equal(str_printf(out, "sha256//%s", text), 0);
}

static void pins(void **state)
{
	static const struct { enum tls_verify verify; const char *certificate; struct testcert *pinned[2]; bool ok; } cases[] = {
		{ TLS_VERIFY_CHAIN, "good", { &good }, true }, { TLS_VERIFY_CHAIN, "good", { &stranger, &intermediate }, true }, { TLS_VERIFY_CHAIN, "good", { &root }, true },
		{ TLS_VERIFY_CHAIN, "good", { &wrong_name, &stranger }, false }, { TLS_VERIFY_CHAIN, "expired", { &expired }, false },
		{ TLS_VERIFY_PIN, "good", { &good }, true }, { TLS_VERIFY_PIN, "expired", { &stranger, &expired }, true }, { TLS_VERIFY_PIN, "self", { &self_signed }, true },
		{ TLS_VERIFY_PIN, "good", { &stranger }, false },
		{ TLS_VERIFY_PIN, "good", { &intermediate }, false },	/* anybody can show a copy of it */
		{ TLS_VERIFY_NONE, "good", { &stranger }, false }, { TLS_VERIFY_NONE, "good", { &good }, true },
	};
	struct str pin = STR_INIT(200), shown = STR_INIT(200);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pair pair;

		open_pair(&pair, cases[i].certificate, cases[i].verify == TLS_VERIFY_CHAIN ? "root" : NULL);
		tls_context_verify(pair.client_context, cases[i].verify);
		for (size_t j = 0; j < 2 && cases[i].pinned[j] != NULL; j++) {
			pin_text(cases[i].pinned[j], &pin, j == 1);
			assert_int_equal(tls_context_pin(pair.client_context, pin.data, &error), 0);
		}
		assert_int_equal(shake(&pair, "mail.example.org") == TLS_OK, cases[i].ok);
		if (cases[i].ok) {
			assert_true(tls_verified(pair.client));
			pass_bytes(&pair);
		} else if (strcmp(cases[i].certificate, "good") == 0) {
			pin_text(&good, &pin, false);
			assert_int_equal(tls_peer_pin(pair.client, &shown), 0);
			assert_string_equal(shown.data, pin.data);
			str_cut(&shown, 0);
			assert_non_null(strstr(tls_error(pair.client), pin.data));
		}
		close_pair(&pair);
	}
	str_free(&pin);
	str_free(&shown);
}

static void pins_are_parsed(void **state)
{
	static const char *const wrong[] = {
		"", "x", "sha256//", "sha256//AAAA", "sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256:00", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"0000000000000000000000000000000000000000000000000000000000000g00", "000000000000000000000000000000000000000000000000000000000000000000",
	};
	struct tls_context *context = tls_context_new();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(tls_context_pin(context, wrong[i], &error), -1);
	for (size_t i = 0; i < TLS_PINS_MAX; i++)
		assert_int_equal(tls_context_pin(context, i % 2 ? "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" :
			"0000000000000000000000000000000000000000000000000000000000000000", &error), 0);
	assert_int_equal(tls_context_pin(context, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &error), -1);
	tls_context_free(context);
}

static void without_verification(void **state)
{
	struct pair pair;

	(void)state;
	open_pair(&pair, "expired", NULL);
	tls_context_verify(pair.client_context, TLS_VERIFY_NONE);
	assert_int_equal(shake(&pair, "whoever"), TLS_OK);
	assert_false(tls_verified(pair.client));
	pass_bytes(&pair);
	close_pair(&pair);
}

/* A peer made with OpenSSL alone, limited to a range of versions. */
static enum tls_result against_old(int lowest, int highest, bool ours_is_client, struct pair *pair)
{
	SSL_CTX *ctx = SSL_CTX_new(ours_is_client ? TLS_server_method() : TLS_client_method());
	enum tls_result result = TLS_WANT_READ;
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, lowest);
	SSL_CTX_set_max_proto_version(ctx, highest);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path_of("good")), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path_of("good"), SSL_FILETYPE_PEM), 1);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, pair->fd[1]);
	pair->client = ours_is_client ? tls_client(pair->client_context, "mail.example.org", &error) : tls_server(pair->server_context, &error);
	assert_int_equal(tls_attach(pair->client, pair->fd[0], pair->fd[0]), 0);
	for (int i = 0; i < 20 && result != TLS_OK && result != TLS_FAILED; i++) {
		if (ours_is_client)
			result = tls_handshake(pair->client);
		(void)(ours_is_client ? SSL_accept(ssl) : SSL_connect(ssl));
		if (!ours_is_client)
			result = tls_handshake(pair->client);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return result;
}

static void versions(void **state)
{
	struct pair pair;

	(void)state;
	for (int client = 0; client < 2; client++) {
		open_pair(&pair, "good", "root");
		assert_int_equal(against_old(TLS1_VERSION, TLS1_1_VERSION, client, &pair), TLS_FAILED);
		if (strstr(tls_error(pair.client), "no common version") == NULL)
			fail_msg("%s", tls_error(pair.client));
		close_pair(&pair);
		open_pair(&pair, "good", "root");
		assert_int_equal(against_old(TLS1_2_VERSION, TLS1_2_VERSION, client, &pair), TLS_OK);
		assert_string_equal(tls_version(pair.client), "TLSv1.2");
		close_pair(&pair);
	}
}

static void bindings(void **state)
{
	struct str ours = STR_INIT(200), theirs = STR_INIT(200);
	enum tls_binding kind, other;
	struct pair pair;

	(void)state;
	open_pair(&pair, "good", "root");
	assert_int_equal(shake(&pair, "mail.example.org"), TLS_OK);
	assert_int_equal(tls_binding_best(pair.client, &kind, &ours), 0);
	assert_int_equal(kind, TLS_BINDING_EXPORTER);
	assert_int_equal(tls_binding_best(pair.server, &other, &theirs), 0);
	assert_int_equal(ours.len, 32);
	assert_int_equal(theirs.len, 32);
	assert_memory_equal(ours.data, theirs.data, 32);
	assert_int_equal(tls_binding(pair.client, TLS_BINDING_UNIQUE, &ours), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	str_cut(&ours, 0);
	str_cut(&theirs, 0);
	assert_int_equal(tls_binding(pair.client, TLS_BINDING_END_POINT, &ours), 0);
	assert_int_equal(tls_binding(pair.server, TLS_BINDING_END_POINT, &theirs), 0);
	assert_int_equal(ours.len, 32);
	assert_memory_equal(ours.data, theirs.data, 32);
	close_pair(&pair);
	open_pair(&pair, "good", "root");
	assert_int_equal(against_old(TLS1_2_VERSION, TLS1_2_VERSION, true, &pair), TLS_OK);
	str_cut(&ours, 0);
	assert_int_equal(tls_binding_best(pair.client, &kind, &ours), 0);
	assert_int_equal(kind, TLS_BINDING_UNIQUE);
	assert_int_equal(ours.len, 12);
	assert_string_equal(tls_binding_name(kind), "tls-unique");
	close_pair(&pair);
	str_free(&ours);
	str_free(&theirs);
}

static void not_tls(void **state)
{
	static const char *const replies[] = { "220 mail.example.org ESMTP\r\n", "HTTP/1.0 400 Bad Request\r\n\r\n", "" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pair pair;
		size_t n;
		char byte;

		open_pair(&pair, "good", "root");
		pair.client = tls_client(pair.client_context, "mail.example.org", &error);
		assert_int_equal(tls_attach(pair.client, pair.fd[0], pair.fd[0]), 0);
		assert_int_equal(tls_handshake(pair.client), TLS_WANT_READ);
		assert_int_equal(tls_read(pair.client, &byte, 1, &n), TLS_FAILED);	/* not before the handshake */
		tls_free(pair.client);
		pair.client = tls_client(pair.client_context, "mail.example.org", &error);
		assert_int_equal(tls_attach(pair.client, pair.fd[0], pair.fd[0]), 0);
		assert_int_equal(tls_handshake(pair.client), TLS_WANT_READ);
		assert_int_equal(write(pair.fd[1], replies[i], strlen(replies[i])), strlen(replies[i]));
		shutdown(pair.fd[1], SHUT_WR);
		assert_int_equal(tls_handshake(pair.client), TLS_FAILED);
		if (strstr(tls_error(pair.client), i < 2 ? "TLS with mail.example.org: the other side does not speak TLS here" :
			"TLS with mail.example.org: the other side closed the connection") == NULL)
			fail_msg("%s", tls_error(pair.client));
		close_pair(&pair);
	}
}

static void a_client_shows_its_certificate(void **state)
{
	struct pair pair;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	enum tls_result result = TLS_WANT_READ;
	X509 *shown;
	SSL *ssl;

	(void)state;
	open_pair(&pair, "good", "root");
	assert_false(tls_context_has_certificate(pair.client_context));
	assert_int_equal(tls_context_certificate(pair.client_context, path_of("wrong"), path_of("wrong"), &error), 0);
	assert_true(tls_context_has_certificate(pair.client_context));
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path_of("good")), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path_of("good"), SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_load_verify_locations(ctx, path_of("root"), NULL), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, pair.fd[1]);
	pair.client = tls_client(pair.client_context, "mail.example.org", &error);
	assert_int_equal(tls_attach(pair.client, pair.fd[0], pair.fd[0]), 0);
	for (int i = 0; i < 20 && (result != TLS_OK || !SSL_is_init_finished(ssl)); i++) {
		result = tls_handshake(pair.client);
		(void)SSL_accept(ssl);
	}
	assert_true(SSL_is_init_finished(ssl));
	shown = SSL_get1_peer_certificate(ssl);
	assert_int_equal(X509_cmp(shown, wrong_name.certificate), 0);
	assert_string_equal(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), "mail.example.org");
	X509_free(shown);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close_pair(&pair);
}

static void write_text(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void broken_settings(void **state)
{
	struct tls_context *context = tls_context_new();
	struct tls_trust *trust;
	int64_t expires;

	(void)state;
	write_text("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	write_text("none", "nothing\n");
	assert_null(tls_trust_open(path_of("missing"), &error));
	assert_non_null(strstr(error.data, "missing.pem: No such file"));
	assert_null(tls_trust_open(directory, &error));
	for (int i = 0; i < 2; i++) {
		trust = tls_trust_open(path_of(i == 0 ? "broken" : "none"), &error);
		assert_non_null(trust);
		tls_context_trust(context, trust);
		assert_int_equal(tls_context_check(context, false, NULL, &error), -1);
		assert_non_null(strstr(error.data, i == 0 ? "malformed certificate in CA file" : "there is no certificate in CA file"));
		tls_trust_free(trust);
		tls_context_trust(context, NULL);
	}
	assert_int_equal(tls_context_check(context, false, NULL, &error), -1);
	assert_null(tls_client(context, "x", &error));
	tls_context_verify(context, TLS_VERIFY_PIN);
	assert_int_equal(tls_context_check(context, false, NULL, &error), -1);
	tls_context_verify(context, TLS_VERIFY_NONE);
	assert_int_equal(tls_context_check(context, false, NULL, &error), 0);
	assert_null(tls_client(context, "", &error));
	assert_null(tls_client(context, "a b", &error));
	assert_int_equal(tls_context_check(context, true, NULL, &error), -1);
	assert_int_equal(tls_context_certificate(context, path_of("none"), path_of("none"), &error), -1);
	assert_int_equal(tls_context_certificate(context, path_of("missing"), path_of("good"), &error), -1);
	assert_int_equal(tls_context_certificate(context, path_of("broken"), path_of("broken"), &error), 0);
	assert_int_equal(tls_context_check(context, true, NULL, &error), -1);
	assert_non_null(strstr(error.data, "cannot use certificate /"));
	assert_int_equal(tls_context_certificate(context, path_of("good"), path_of("wrong"), &error), 0);
	assert_int_equal(tls_context_check(context, true, NULL, &error), -1);
	assert_non_null(strstr(error.data, "cannot use key /"));
	assert_int_equal(tls_context_certificate(context, path_of("good"), path_of("good"), &error), 0);
	assert_int_equal(tls_context_check(context, true, &expires, &error), 0);
	assert_true(expires > (int64_t)(clock_wall() / CLOCK_SECOND) && expires < (int64_t)(clock_wall() / CLOCK_SECOND) + 2 * TESTCERT_DAY);
	tls_context_free(context);
	unlink(path_of("broken"));
	unlink(path_of("none"));
}

static void resting(void **state)
{
	struct pair pair;

	(void)state;
	open_pair(&pair, "good", "root");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(shake(&pair, "mail.example.org"), TLS_OK);
		tls_context_rest(pair.client_context);		/* while the session lives */
		tls_context_rest(pair.server_context);
		tls_trust_rest(pair.trust);
		pass_bytes(&pair);
		tls_free(pair.client);
		tls_free(pair.server);
		close(pair.fd[0]);
		close(pair.fd[1]);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.fd), 0);
		pair.client = pair.server = NULL;
	}
	close_pair(&pair);
}

/* A process that has never used OpenSSL, forked before anything else; it begins when the certificates are there. */
static pid_t sandboxed;
static int start_sandboxed[2];

static int in_sandbox(void)
{
	struct sandbox box = { .mode = SANDBOX_ON, .needs = SANDBOX_INET };
	struct pair pair;
	char go;

	if (read(start_sandboxed[0], &go, 1) != 1)
		return 5;
	open_pair(&pair, "good", "root");
	if (sandbox_enter(&box, NULL, &error) < 0)
		return 2;
	if (open("/etc/passwd", O_RDONLY) >= 0)
		return 3;
	if (shake(&pair, "mail.example.org") != TLS_OK || !tls_verified(pair.client))
		return 4;
	pass_bytes(&pair);
	return 0;
}

/* The first use comes after the jail: no file can be opened then, and no memory made executable. */
static void first_use_in_the_sandbox(void **state)
{
	int status;

	(void)state;
	if (sandboxed == 0)
		skip();
	assert_int_equal(write(start_sandboxed[1], "g", 1), 1);
	assert_int_equal(waitpid(sandboxed, &status, 0), sandboxed);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Sanitizers want calls that the filter does not let pass. */
static bool can_be_sandboxed(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#endif
	return sandbox_has_seccomp() && getenv("DEADDROP_TEST_NO_SANDBOX") == NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_chains),
		cmocka_unit_test(pins),
		cmocka_unit_test(pins_are_parsed),
		cmocka_unit_test(without_verification),
		cmocka_unit_test(versions),
		cmocka_unit_test(bindings),
		cmocka_unit_test(not_tls),
		cmocka_unit_test(a_client_shows_its_certificate),
		cmocka_unit_test(broken_settings),
		cmocka_unit_test(resting),
		cmocka_unit_test(first_use_in_the_sandbox),
	};

	if (mkdtemp(directory) == NULL || pipe(start_sandboxed) < 0)
		return 1;
	error = (struct str)STR_INIT(TLS_ERROR_MAX);
	if (can_be_sandboxed() && (sandboxed = fork()) == 0)
		_exit(in_sandbox());
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
