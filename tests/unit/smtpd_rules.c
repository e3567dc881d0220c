/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules, groups, networks, the PROXY header, the configuration and the file of secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "../../smtpd/config.h"
#include "../../smtpd/proxy.h"

/* ---- peers ---- */

static struct peer peer_of(const char *address, const char *name)
{
	struct peer peer = { .local = true };

	assert_int_equal(peer_set_text(&peer, span_of(address), 25), 0);
	(void)snprintf(peer.name, sizeof peer.name, "%s", name);
	return peer;
}

static bool net_has(const char *net, const char *address)
{
	struct peer peer = peer_of(address, "");
	struct peer_net parsed;

	assert_int_equal(peer_net_parse(net, &parsed), 0);
	return peer_net_has(&parsed, &peer);
}

static void test_networks(void **state)
{
	struct peer_net net;
	struct peer peer = { .local = true };
	static const char *const wrong[] = { "", "192.0.2.0/33", "192.0.2", "192.0.2.0/", "192.0.2.0/-1", "2001:db8::/129", "x", "192.0.2.0/24/8", "[::1]" };

	(void)state;
	assert_true(net_has("192.0.2.0/24", "192.0.2.255"));
	assert_false(net_has("192.0.2.0/24", "192.0.3.0"));
	assert_true(net_has("192.0.2.128/25", "192.0.2.200"));
	assert_false(net_has("192.0.2.128/25", "192.0.2.100"));
	assert_true(net_has("192.0.2.7", "192.0.2.7"));
	assert_false(net_has("192.0.2.7", "192.0.2.6"));
	assert_true(net_has("0.0.0.0/0", "192.0.2.7"));
	assert_false(net_has("0.0.0.0/0", "2001:db8::1"));
	assert_true(net_has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(net_has("2001:db8::/33", "2001:db8:ffff::1"));
	assert_true(net_has("192.0.2.0/24", "::ffff:192.0.2.9"));
	assert_false(net_has("::/0", "192.0.2.7") != true);	/* IPv4 lives in ::ffff:0:0/96 */
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(peer_net_parse(wrong[i], &net), -1);
	assert_int_equal(peer_set_text(&peer, span_of("IPv6:2001:db8::7"), 1), 0);
	assert_string_equal(peer.address, "2001:db8::7");
	peer = peer_of("127.3.4.5", "");
	assert_true(peer_is_loopback(&peer));
	peer = peer_of("::1", "");
	assert_true(peer_is_loopback(&peer));
	peer = peer_of("128.0.0.1", "");
	assert_false(peer_is_loopback(&peer));
	peer_set_unknown(&peer);
	assert_false(peer_is_loopback(&peer));
}

static void test_proxy(void **state)
{
	static const struct { const char *text; int result; const char *address; } cases[] = {
		{ "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\nEHLO x\r\n", 43, "192.0.2.1" },
		{ "PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n", 44, "2001:db8::1" },
		{ "PROXY UNKNOWN\r\n", 15, "unknown" },
		{ "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25", 0, "" },
		{ "PRO", 0, "" },
		{ "", 0, "" },
		{ "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\n", -1, "" },
		{ "PROXY TCP4 192.0.2.1 198.51.100.1 99999 25\r\n", -1, "" },
		{ "PROXY TCP4 192.0.2.1 198.51.100.1\r\n", -1, "" },
		{ "PROXY TCP6 192.0.2.1 198.51.100.1 1 25\r\n", -1, "" },
		{ "PROXY UDP4 192.0.2.1 198.51.100.1 1 25\r\n", -1, "" },
		{ "EHLO x\r\n", -1, "" },
	};
	static const char two[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x19";
	static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
	struct peer peer = { .local = true };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		peer = (struct peer){ .local = true };
		assert_int_equal(proxy_take(span_of(cases[i].text), &peer), cases[i].result);
		assert_string_equal(peer.address, cases[i].address);
	}
	for (size_t n = 0; n < sizeof two - 1; n++)
		assert_int_equal(proxy_take((struct span){ two, n }, &peer), 0);
	assert_int_equal(proxy_take((struct span){ two, sizeof two - 1 }, &peer), 28);
	assert_string_equal(peer.address, "192.0.2.1");
	assert_int_equal(peer.port, 4711);
	assert_int_equal(proxy_take((struct span){ local, sizeof local - 1 }, &peer), 16);
	assert_string_equal(peer.address, "192.0.2.1");
}

/* ---- the configuration ---- */

static char *write_file(const char *text)
{
	char *name = strdup("/tmp/deaddrop-smtpd-conf.XXXXXX");
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return name;
}

/* 0, or the sysexits code with error. */
static int load(struct config *config, const char *text, struct str *error)
{
	char *name = write_file(text);
	int status;

	assert_int_equal(config_init(config), 0);
	assert_int_equal(str_set(&config->name, span_of("mx.example")), 0);
	status = config_load(config, name, error);
	if (!status)
		status = config_finish(config, error);
	unlink(name);
	free(name);
	return status;
}

static unsigned decide(const struct config *config, const struct peer *peer, bool tls, bool auth, const char *recipient)
{
	struct rules_client client = { .groups = rules_groups(config->rules, peer), .tls = tls, .auth = auth, .trusted = auth || peer_is_loopback(peer) };
	struct engine_answer answer;

	engine_answer_set(&answer, 250, "", "ok");
	(void)rules_decide(config->rules, &client, span_of(recipient), &answer);
	return answer.code;
}

static void test_rules(void **state)
{
	static const char text[] =
	    "group google host /\\.google\\.com$/i net 192.0.2.0/24\n"
	    "group google address /^198\\.51\\.100\\./\n"
	    "group six net 2001:db8::/32\n"
	    "accept rcpt /^archive@example\\.org$/ from google from six\n"
	    "accept rcpt bugs@example.org\n"
	    "accept rcpt tls@example.org tls\n"
	    "accept rcpt both@example.org tls auth\n"
	    "reject rcpt slow@example.org 451 \"Later\"\n"
	    "accept all auth\n"
	    "reject all 553 \"No one here by that name.\"\n";
	struct peer google = peer_of("203.0.113.1", "mail-7.Google.com"), liar = peer_of("203.0.113.1", "google.com.example"), net = peer_of("192.0.2.9", "");
	struct peer address = peer_of("198.51.100.3", ""), six = peer_of("2001:db8::1", ""), home = peer_of("127.0.0.1", "");
	struct str error = STR_INIT(1000), names = STR_INIT(1000);
	struct config config;

	(void)state;
	assert_int_equal(load(&config, text, &error), 0);
	assert_true(rules_need_names(config.rules));
	assert_int_equal(decide(&config, &google, false, false, "archive@example.org"), 250);
	assert_int_equal(decide(&config, &net, false, false, "archive@example.org"), 250);
	assert_int_equal(decide(&config, &address, false, false, "archive@example.org"), 250);
	assert_int_equal(decide(&config, &six, false, false, "archive@example.org"), 250);
	assert_int_equal(decide(&config, &liar, false, false, "archive@example.org"), 553);
	assert_int_equal(decide(&config, &home, false, false, "archive@example.org"), 553);
	assert_int_equal(decide(&config, &liar, false, false, "Bugs@Example.ORG"), 250);
	assert_int_equal(decide(&config, &liar, false, false, "xbugs@example.org"), 553);
	assert_int_equal(decide(&config, &liar, true, false, "tls@example.org"), 250);
	assert_int_equal(decide(&config, &liar, false, false, "tls@example.org"), 553);
	assert_int_equal(decide(&config, &liar, true, false, "both@example.org"), 553);
	assert_int_equal(decide(&config, &liar, true, true, "both@example.org"), 250);
	assert_int_equal(decide(&config, &liar, false, true, "slow@example.org"), 451);
	assert_int_equal(decide(&config, &liar, false, true, "any@example.org"), 250);
	assert_int_equal(rules_group_names(config.rules, rules_groups(config.rules, &net), &names), 0);
	assert_string_equal(names.data, "google");
	str_cut(&names, 0);
	assert_int_equal(rules_group_names(config.rules, 1 | rules_groups(config.rules, &google) | rules_groups(config.rules, &six), &names), 0);
	assert_string_equal(names.data, "loopback google six");
	str_cut(&names, 0);
	assert_int_equal(rules_group_names(config.rules, 0, &names), 0);
	assert_int_equal(names.len, 0);
	str_free(&names);
	config_free(&config);
	str_free(&error);
}

static void test_no_rules(void **state)
{
	struct peer home = peer_of("127.0.0.1", ""), other = peer_of("192.0.2.9", "");
	struct str error = STR_INIT(1000);
	struct config config;

	(void)state;
	assert_int_equal(load(&config, "", &error), 0);
	assert_int_equal(decide(&config, &home, false, false, "x@y.example"), 250);
	assert_int_equal(decide(&config, &other, false, false, "x@y.example"), 550);
	assert_int_equal(decide(&config, &other, false, true, "x@y.example"), 250);
	config_free(&config);
	/* with rules, what none fits is refused, whoever it is */
	assert_int_equal(load(&config, "accept rcpt a@b.example\n", &error), 0);
	assert_int_equal(decide(&config, &home, false, false, "x@y.example"), 550);
	config_free(&config);
	str_free(&error);
}

static void test_values(void **state)
{
	struct str error = STR_INIT(1000);
	struct config config;

	(void)state;
	assert_int_equal(load(&config, "limit size 25M recipients 100 commands 900 unknown 4 failed 5 connections 64 per-client 8 timeout 300\nlimit session 1h\n"
	    "bare-lf normalise from loopback\nutf8 no\nreceived hide\ndebug commands hex\nlisten ::1 port 2525\nlisten /tmp/x/y mode 0600\n", &error), 0);
	assert_int_equal(config.engine.size, 25 << 20);
	assert_int_equal(config.engine.failed, 5);
	assert_int_equal(config.per_client, 8);
	assert_int_equal(config.timeout, UINT64_C(300000000));
	assert_int_equal(config.session, UINT64_C(3600000000));
	assert_int_equal(config.normalise, 1);
	assert_false(config.engine.utf8);
	assert_true(config.hide && config.trace && config.hex);
	assert_int_equal(config.listen_count, 2);
	assert_int_equal(config.listen[0].port, 2525);
	assert_string_equal(config.listen[1].path, "/tmp/x/y");
	assert_int_equal(config.listen[1].mode, 0600);
	config_free(&config);
	str_free(&error);
}

static void test_mistakes(void **state)
{
	static const char *const wrong[] = {
		"frobnicate\n", "accept rcpt /(/\n", "accept rcpt\n", "accept everything\n", "accept all from nobody\n", "accept all 250 \"fine\"\n",
		"reject all 250 \"fine\"\n", "reject all 550\n", "reject all 550 too many words\n", "group x host\n", "group x net 192.0.2.0/99\n",
		"group loopback net 192.0.2.0/24\n", "group x colour red\n", "group \"x y\" net ::/0\n", "group \"\" net ::/0\n", "group abcdefghijklmnopqrstuvwxyz12345 net ::/0\n", "limit size\n", "limit size much\n", "limit speed 5\n", "limit timeout 0\n",
		"require luck\n", "bare-lf perhaps\n", "bare-lf normalise loopback\n", "tls certificate /nonexistent/a key /nonexistent/b\n", "auth /nonexistent/users\n",
		"require tls\n", "require auth\n", "utf8 maybe\n", "received maybe\n", "debug everything\n", "listen 127.0.0.1 port 99999\n", "listen /x mode 9\n",
		"accept rcpt /a/b/\n",
	};
	struct str error = STR_INIT(2000);
	struct config config;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		str_cut(&error, 0);
		if (load(&config, wrong[i], &error) != 78)
			print_error("taken: %s", wrong[i]);
		assert_true(error.len > 0);
		assert_true(strstr(error.data, ":1: ") || !strncmp(wrong[i], "require", 7));
		config_free(&config);
	}
	str_free(&error);
}

static void test_secrets(void **state)
{
	char *name = write_file("# a comment\n\nanne:{PLAIN}tiger \"#: x\r\nbert:SCRAM-SHA-256$4096:c2FsdA==$a:b\n");
	struct str error = STR_INIT(1000), secret = STR_INIT(1000);
	struct login_secrets *secrets;
	const struct sasl_server_users *users;

	(void)state;
	chmod(name, 0644);
	assert_null(login_secrets_load(name, &error));
	assert_non_null(strstr(error.data, "0644"));
	chmod(name, 0640);
	secrets = login_secrets_load(name, &error);
	assert_non_null(secrets);
	users = login_secrets_users(secrets);
	assert_true(users->lookup(users->arg, span_of("anne"), &secret));
	assert_string_equal(secret.data, "{PLAIN}tiger \"#: x");
	assert_false(users->lookup(users->arg, span_of("ann"), &secret));
	assert_false(users->lookup(users->arg, span_of("# a comment"), &secret));
	assert_false(users->lookup(users->arg, span_of(""), &secret));
	login_secrets_free(secrets);
	unlink(name);
	free(name);
	name = write_file("anne:{PLAIN}tiger\nbert:tiger\n");
	str_cut(&error, 0);
	assert_null(login_secrets_load(name, &error));
	assert_non_null(strstr(error.data, ":2: "));
	unlink(name);
	free(name);
	str_free(&error);
	str_free(&secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_proxy), cmocka_unit_test(test_rules), cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_values), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests_name("smtpd_rules", tests, NULL, NULL);
}
