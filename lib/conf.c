/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_lex.h"

#define ERROR_MAX 1024			/* bytes of an error's text */

static void complain(struct str *error, const char *file, unsigned line, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

/* error := "file:line: text", cut to what error may hold. */
static void
complain(struct str *error, const char *file, unsigned line, const char *format, va_list args)
{
	char text[ERROR_MAX];
	int head = snprintf(text, sizeof text, "%.256s:%u: ", file, line);
	if (head < 0 || (size_t)head >= sizeof text)
		head = 0;
	vsnprintf(text + head, sizeof text - (size_t)head, format, args);
	size_t len = strlen(text);
	str_cut(error, 0);
	str_append(error, text, len > error->max ? error->max : len);
}

int
conf_error(const struct conf_node *node, struct str *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	complain(error, node->conf->file, node->line, format, args);
	va_end(args);
	return -1;
}

struct parse {
	struct conf *conf;
	struct conf_lex lex;
	struct str *error;
};

static int expected(struct parse *p, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int
expected(struct parse *p, unsigned line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	complain(p->error, p->conf->file, line, format, args);
	va_end(args);
	errno = EINVAL;
	return -1;
}

static int
no_memory(struct parse *p)
{
	expected(p, p->lex.token_line, "out of memory");
	errno = ENOMEM;
	return -1;
}

static char *
copy(const char *data, size_t len)
{
	char *text = malloc(len + 1);
	if (text == NULL)
		return NULL;
	memcpy(text, data, len);
	text[len] = 0;
	return text;
}

static struct conf_node *
add_node(struct parse *p, struct conf_node ***tail)
{
	struct conf_node *node = calloc(1, sizeof *node);
	if (node == NULL)
		return NULL;
	node->conf = p->conf;
	node->line = p->lex.token_line;
	**tail = node;
	*tail = &node->next;
	return node;
}

static int
add_word(struct parse *p, struct conf_node *node)
{
	const struct conf_lex *lex = &p->lex;
	if (node->count >= CONF_WORDS_MAX)
		return expected(p, lex->token_line, "expected at most %d words in a directive", CONF_WORDS_MAX);
	/* the array doubles whenever the count is a power of two */
	if ((node->count & (node->count - 1)) == 0) {
		struct conf_word *words = realloc(node->words, (node->count == 0 ? 1 : node->count * 2) * sizeof *words);
		if (words == NULL)
			return no_memory(p);
		node->words = words;
	}
	struct conf_word *word = &node->words[node->count];
	*word = (struct conf_word){ .len = lex->text.len, .kind = lex->kind, .line = lex->token_line, .quoted = lex->quoted,
	    .slash = lex->raw.len > 0 && lex->raw.data[0] == '/' };
	word->text = copy(lex->text.data, lex->text.len);
	word->raw = lex->kind == CONF_PLAIN ? word->text : copy(lex->raw.data, lex->raw.len);
	node->count++;
	return word->text == NULL || word->raw == NULL ? no_memory(p) : 0;
}

static int parse_nodes(struct parse *p, struct conf_node **first, unsigned depth, unsigned opened);

static int
parse_group(struct parse *p, struct conf_node *node, unsigned depth)
{
	unsigned line = p->lex.token_line;
	if (node == NULL)
		return expected(p, line, "expected a directive before {");
	if (depth >= CONF_DEPTH_MAX)
		return expected(p, line, "expected at most %d groups within each other", CONF_DEPTH_MAX);
	node->group = true;
	return parse_nodes(p, &node->children, depth + 1, line);
}

/* Directives up to the end of the text, or of the group that began on the line opened.  Recursion is bounded by CONF_DEPTH_MAX. */
static int
parse_nodes(struct parse *p, struct conf_node **first, unsigned depth, unsigned opened)
{
	struct conf_node **tail = first, *node = NULL;
	for (;;) {
		enum conf_lex_token token = conf_lex_next(&p->lex);
		if ((token == CONF_LEX_WORD || token == CONF_LEX_OPEN) && node != NULL && node->group)
			return expected(p, p->lex.token_line, "expected the end of the line or ; after }");
		switch (token) {
		case CONF_LEX_BAD:
			return expected(p, p->lex.token_line, "expected %s", p->lex.bad);
		case CONF_LEX_END:
			return depth == 0 ? 0 : expected(p, opened, "expected a } (a word of its own) for the { on this line");
		case CONF_LEX_CLOSE:
			return depth > 0 ? 0 : expected(p, p->lex.token_line, "expected a { before this } (or quote it)");
		case CONF_LEX_BREAK:
			node = NULL;
			break;
		case CONF_LEX_OPEN:
			if (parse_group(p, node, depth) != 0)
				return -1;
			break;
		case CONF_LEX_WORD:
			if (node == NULL && (node = add_node(p, &tail)) == NULL)
				return no_memory(p);
			if (add_word(p, node) != 0)
				return -1;
			break;
		}
	}
}

/* A text editor cannot show a NUL, and a C string cannot hold it: better refused than cut there. */
static int
check_text(struct parse *p, struct span text)
{
	if (text.len > CONF_FILE_MAX)
		return expected(p, 1, "expected a file of at most %u bytes", CONF_FILE_MAX);
	const char *nul = text.len > 0 ? memchr(text.data, 0, text.len) : NULL;
	if (nul == NULL)
		return 0;
	unsigned line = 1;
	for (const char *c = text.data; c < nul; c++)
		line += *c == '\n';
	return expected(p, line, "expected text, found a NUL byte");
}

struct conf *
conf_parse(const char *file, struct span text, struct str *error)
{
	struct parse p = { .conf = calloc(1, sizeof *p.conf), .error = error };
	if (p.conf == NULL || (p.conf->file = copy(file, strlen(file))) == NULL) {
		conf_free(p.conf);
		str_cut(error, 0);
		str_add(error, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	int result = check_text(&p, text);
	if (result == 0) {
		result = conf_lex_init(&p.lex, text) != 0 ? no_memory(&p) : parse_nodes(&p, &p.conf->first, 0, 0);
		conf_lex_free(&p.lex);
	}
	if (result == 0)
		return p.conf;
	int saved = errno;
	conf_free(p.conf);
	errno = saved;
	return NULL;
}

static int
read_file(const char *file, struct str *text)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return -1;
	int result = str_reserve(text, CONF_FILE_MAX + 1);	/* at once: a string that grows leaves copies of secrets behind */
	while (result == 0 && text->len <= CONF_FILE_MAX) {
		ssize_t n = read(fd, text->data + text->len, CONF_FILE_MAX + 1 - text->len);
		if (n == 0)
			break;
		if (n > 0)
			text->len += (size_t)n;
		else if (errno != EINTR)
			result = -1;
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return result;
}

struct conf *
conf_load(const char *file, struct str *error)
{
	struct str text = STR_INIT(CONF_FILE_MAX + 1);
	struct conf *conf = NULL;
	if (read_file(file, &text) == 0) {
		conf = conf_parse(file, str_span(&text), error);
	} else {
		char why[ERROR_MAX];
		int saved = errno;
		int len = snprintf(why, sizeof why, "configuration %.256s: %s", file, strerror(saved));
		str_cut(error, 0);
		if (len > 0)
			str_append(error, why, (size_t)len > error->max ? error->max : (size_t)len);
		errno = saved;
	}
	int saved = errno;
	str_wipe(&text);
	errno = saved;
	return conf;
}

static void
free_nodes(struct conf_node *node)
{
	while (node != NULL) {
		struct conf_node *next = node->next;
		free_nodes(node->children);
		for (size_t i = 0; i < node->count; i++) {
			struct conf_word *word = &node->words[i];
			if (word->raw != NULL && word->raw != word->text) {
				explicit_bzero(word->raw, strlen(word->raw));
				free(word->raw);
			}
			if (word->text != NULL)
				explicit_bzero(word->text, word->len);
			free(word->text);
		}
		free(node->words);
		free(node);
		node = next;
	}
}

void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	free_nodes(conf->first);
	free(conf->file);
	free(conf);
}

static int
unknown(const struct conf_node *node, const struct conf_verb *verbs, struct str *error)
{
	char known[ERROR_MAX / 2];
	size_t len = 0;
	known[0] = 0;
	for (const struct conf_verb *v = verbs; v->name != NULL && len < sizeof known; v++) {
		int n = snprintf(known + len, sizeof known - len, "%s%s", len > 0 ? ", " : "", v->name);
		len += n > 0 ? (size_t)n : 0;
	}
	return conf_error(node, error, "expected one of %s, not \"%.64s\"", known, node->words[0].raw);
}

static int
count_wrong(const struct conf_node *node, const struct conf_verb *verb, struct str *error)
{
	bool few = node->count - 1 < verb->least;
	size_t limit = few ? verb->least : verb->most;
	return conf_error(node, error, "expected %s%zu word%s after \"%s\", not %zu",
	    verb->least == verb->most ? "" : few ? "at least " : "at most ", limit, limit == 1 ? "" : "s", verb->name, node->count - 1);
}

int
conf_walk(const struct conf_node *first, const struct conf_verb *verbs, void *arg, struct str *error)
{
	for (const struct conf_node *node = first; node != NULL; node = node->next) {
		const struct conf_verb *verb = verbs;
		while (verb->name != NULL && (node->words[0].kind != CONF_PLAIN || strcmp(verb->name, node->words[0].text) != 0))
			verb++;
		if (verb->name == NULL)
			return unknown(node, verbs, error);
		if (node->count - 1 < verb->least || node->count - 1 > verb->most)
			return count_wrong(node, verb, error);
		if (node->group && !verb->group)
			return conf_error(node, error, "expected no { } group after \"%s\"", verb->name);
		if (verb->handle(arg, node, error) != 0)
			return -1;
	}
	return 0;
}
