/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The conditions of a route. */
#include "route_internal.h"

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "words.h"

#define UIDS_MAX 4096

int
route_pattern(struct route_cond *cond, const struct conf_node *node, size_t n, struct str *error)
{
	struct str why = STR_INIT(1024);
	const struct conf_word *word;
	size_t at = 0;

	if (n >= node->count)
		return conf_error(node, error, "expected a word or a /regular expression/ after %s", node->words[node->count - 1].text);
	word = &node->words[n];
	if (!conf_is_pattern(word))
		return conf_error(node, error, "expected a word or a /regular expression/ (with \\/ for a slash), not %s", word->text);
	if (word->kind == CONF_PLAIN)
		return str_set(&cond->word, (struct span){ word->text, word->len });
	cond->regex = regex_new((struct span){ word->text, word->len }, word->kind == CONF_REGEX_NOCASE ? REGEX_NOCASE : 0, &why, &at);
	if (cond->regex == NULL)
		conf_error(node, error, "%s: %s (at byte %zu)", word->raw, why.data, at);
	str_free(&why);
	return cond->regex != NULL ? 0 : -1;
}

static bool
same_nocase(struct span a, struct span b)
{
	for (size_t i = 0; a.len == b.len && i < a.len; i++) {
		char x = a.data[i], y = b.data[i];

		if ((x >= 'A' && x <= 'Z' ? x + 32 : x) != (y >= 'A' && y <= 'Z' ? y + 32 : y))
			return false;
	}
	return a.len == b.len;
}

static int
match_pattern(const struct route_cond *cond, struct route_subject *subject, struct span text)
{
	struct regex_match match;
	int result;

	if (cond->regex == NULL)
		return same_nocase(str_span(&cond->word), text);
	result = regex_match(cond->regex, text, &match);
	if (result > 0 && !subject->matched && !cond->except) {
		*subject->match = match;
		subject->matched = true;
	}
	return result;
}

static int
take_pattern(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	return route_pattern(cond, node, ++*n, error);
}

static int
match_rcpt(const struct route_cond *cond, struct route_subject *subject)
{
	int result = match_pattern(cond, subject, subject->address);

	/* "root" is root at any name of this host. */
	if (result == 0 && cond->regex == NULL && subject->local.len > 0)
		result = match_pattern(cond, subject, subject->local);
	return result != 0 || span_equal(subject->address, subject->own) ? result : match_pattern(cond, subject, subject->own);
}

static int
match_sender(const struct route_cond *cond, struct route_subject *subject)
{
	return match_pattern(cond, subject, subject->query->record->sender);
}

static int
match_origin(const struct route_cond *cond, struct route_subject *subject)
{
	return match_pattern(cond, subject, subject->query->record->origin);
}

static int
match_auth(const struct route_cond *cond, struct route_subject *subject)
{
	return match_pattern(cond, subject, record_attribute(subject->query->record->attributes, "auth"));
}

static int
take_header(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	if (++*n >= node->count || str_set(&cond->name, span_of(node->words[*n].text)) < 0)
		return conf_error(node, error, "expected a field's name and a pattern after header");
	return route_pattern(cond, node, ++*n, error);
}

/* Decoded text is kept until the route is decided: captures are views of it. */
static int
match_header(const struct route_cond *cond, struct route_subject *subject)
{
	struct span rest = subject->query->body;
	struct message_field field;

	if (subject->text->cap == 0 && str_reserve(subject->text, 8 * rest.len + 4096) < 0)
		return -1;
	while (message_next(&rest, &field)) {
		struct str line = STR_INIT(1024 * 1024);
		size_t at = subject->text->len;
		int result = -1;

		if (!span_is_nocase(field.name, cond->name.data))
			continue;
		if (message_unfold(&line, field.value) == 0 && at + 3 * line.len < subject->text->cap
		    && words_decode(subject->text, str_span(&line)) == 0)
			result = match_pattern(cond, subject, span_skip(str_span(subject->text), at));
		str_free(&line);
		if (result != 0)
			return result;
		str_cut(subject->text, at);
	}
	return 0;
}

/* size over 1M, size under 10K */
static int
take_size(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	const char *word = ++*n < node->count ? node->words[*n].text : "";

	cond->over = strcmp(word, "over") == 0;
	if (!cond->over && strcmp(word, "under") != 0)
		return conf_error(node, error, "expected over or under, and a size such as 25M, after size");
	if (++*n >= node->count || conf_bytes(&node->words[*n], &cond->number) < 0)
		return conf_error(node, error, "expected a size such as 25M after %s", word);
	return 0;
}

static int
match_size(const struct route_cond *cond, struct route_subject *subject)
{
	uint64_t size = subject->query->record->body_len;

	return cond->over ? size > cond->number : size < cond->number;
}

static int
add_uid(struct route_cond *cond, uid_t uid)
{
	uid_t *uids;

	for (size_t i = 0; i < cond->uid_count; i++)
		if (cond->uids[i] == uid)
			return 0;
	uids = cond->uid_count < UIDS_MAX ? realloc(cond->uids, (cond->uid_count + 1) * sizeof(*uids)) : NULL;
	if (uids == NULL)
		return -1;
	cond->uids = uids;
	uids[cond->uid_count++] = uid;
	return 0;
}

/* Uids as they were found for an earlier configuration.  1: so it is; 0: the host is to be asked; -1: no memory. */
static int
take_given(struct route_cond *cond, const char *kind, const char *name)
{
	struct span rest, word;
	uint64_t number;

	if (!inputs_find(cond->inputs, kind, name, &rest))
		return 0;
	while (span_word(&rest, ' ', &word))
		if (span_decimal(word, UINT32_MAX, &number) == 0 && add_uid(cond, (uid_t)number) < 0)
			return -1;
	return 1;
}

static int
keep_uids(const struct route_cond *cond, const char *kind, const char *name)
{
	struct str text = STR_INIT(1024 * 1024);
	int result = 0;

	for (size_t i = 0; i < cond->uid_count && result == 0; i++)
		result = str_printf(&text, "%lu ", (unsigned long)cond->uids[i]);
	if (result == 0)
		result = inputs_keep(cond->inputs, kind, name, str_span(&text));
	str_free(&text);
	return result;
}

static int
take_uid(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	const char *word = ++*n < node->count ? node->words[*n].text : "";
	const struct passwd *user;
	uint64_t number;
	int known;

	if (span_decimal(span_of(word), UINT32_MAX, &number) == 0)
		return add_uid(cond, (uid_t)number);
	known = take_given(cond, "uid", word);
	if (known != 0)
		return known < 0 ? conf_error(node, error, "no memory") : 0;
	user = inputs_again(cond->inputs) ? NULL : getpwnam(word);
	if (user == NULL)
		return conf_error(node, error, "expected a user or a uid after uid, not \"%s\"", word);
	return add_uid(cond, user->pw_uid) < 0 || keep_uids(cond, "uid", word) < 0 ? conf_error(node, error, "no memory") : 0;
}

/* Appends the members of a group of this host, by name or as their own group. */
static int
add_members(struct route_cond *cond, const struct group *g)
{
	const struct passwd *user;
	gid_t gid = g->gr_gid;
	int result = 0;

	for (char *const *name = g->gr_mem; *name != NULL && result == 0; name++)
		if ((user = getpwnam(*name)) != NULL)
			result = add_uid(cond, user->pw_uid);
	setpwent();
	while (result == 0 && (user = getpwent()) != NULL)
		if (user->pw_gid == gid)
			result = add_uid(cond, user->pw_uid);
	endpwent();
	return result;
}

static int
take_group(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	const char *word = ++*n < node->count ? node->words[*n].text : "";
	int known = take_given(cond, "group", word);
	const struct group *g;

	if (known != 0)
		return known < 0 ? conf_error(node, error, "no memory") : 0;
	g = inputs_again(cond->inputs) ? NULL : getgrnam(word);
	if (g == NULL)
		return conf_error(node, error, "expected a group of this host after group, not \"%s\"", word);
	if (add_members(cond, g) < 0)
		return conf_error(node, error, "%s: the group has too many members", word);
	return keep_uids(cond, "group", word) < 0 ? conf_error(node, error, "no memory") : 0;
}

static int
match_uid(const struct route_cond *cond, struct route_subject *subject)
{
	for (size_t i = 0; i < cond->uid_count; i++)
		if (cond->uids[i] == subject->query->record->uid)
			return 1;
	return 0;
}

static bool
parse_address(struct span text, unsigned char net[16], bool *old)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char word[64];

	if (span_starts(text, "["))
		text = (struct span){ text.data + 1, text.len - (text.data[text.len - 1] == ']' ? 2 : 1) };
	if (span_starts(text, "IPv6:"))
		text = span_skip(text, 5);
	if (text.len == 0 || text.len >= sizeof(word))
		return false;
	memcpy(word, text.data, text.len);
	word[text.len] = '\0';
	memcpy(net, mapped, sizeof(mapped));
	*old = inet_pton(AF_INET, word, net + 12) == 1;
	return *old || inet_pton(AF_INET6, word, net) == 1;
}

/* client 192.0.2.0/24, client 2001:db8::/32, client 127.0.0.1 */
static int
take_client(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	struct span rest = span_of(++*n < node->count ? node->words[*n].text : ""), address = rest;
	uint64_t bits = 0;
	bool old = false, good;

	good = span_word(&rest, '/', &address) && parse_address(address, cond->net, &old);
	if (good && address.data[address.len] == '/')
		good = span_decimal(rest, old ? 32 : 128, &bits) == 0;
	else
		bits = old ? 32 : 128;
	if (!good)
		return conf_error(node, error, "expected an address or a network such as 192.0.2.0/24 after client");
	cond->bits = (unsigned char)(bits + (old ? 96 : 0));
	return 0;
}

/* "NAME [ADDRESS]" where the client's name was confirmed. */
static struct span
client_address(const struct route_subject *subject)
{
	struct span rest = record_attribute(subject->query->record->attributes, "client"), word = rest;

	while (span_word(&rest, ' ', &word))
		;
	return word;
}

static int
match_client(const struct route_cond *cond, struct route_subject *subject)
{
	unsigned char net[16];
	unsigned whole = cond->bits / 8, left = cond->bits % 8;
	bool old;

	if (!parse_address(client_address(subject), net, &old) || memcmp(net, cond->net, whole) != 0)
		return 0;
	return left == 0 || ((net[whole] ^ cond->net[whole]) >> (8 - left)) == 0;
}

/* The groups of smtpd's configuration that the client was in. */
static int
match_client_group(const struct route_cond *cond, struct route_subject *subject)
{
	struct span rest = record_attribute(subject->query->record->attributes, "groups"), name;
	int result = 0;

	while (result == 0 && span_word(&rest, ' ', &name))
		result = match_pattern(cond, subject, name);
	return result;
}

static int
take_all(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error)
{
	(void)cond, (void)node, (void)n, (void)error;
	return 0;
}

static int
match_all(const struct route_cond *cond, struct route_subject *subject)
{
	(void)cond, (void)subject;
	return 1;
}

static const struct route_kind kinds[] = {
	{ "all", take_all, match_all },
	{ "rcpt", take_pattern, match_rcpt },
	{ "sender", take_pattern, match_sender },
	{ "header", take_header, match_header },
	{ "size", take_size, match_size },
	{ "origin", take_pattern, match_origin },
	{ "uid", take_uid, match_uid },
	{ "group", take_group, match_uid },
	{ "client", take_client, match_client },
	{ "client-group", take_pattern, match_client_group },
	{ "auth", take_pattern, match_auth },
};

const struct route_kind *
route_kind_find(const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, word) == 0)
			return &kinds[i];
	return NULL;
}

void
route_cond_free(struct route_cond *cond)
{
	regex_free(cond->regex);
	str_free(&cond->word);
	str_free(&cond->name);
	free(cond->uids);
}
