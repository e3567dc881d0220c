/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading alias files. */
#include "alias_internal.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "text.h"

#define ALIASES_MAX 1000000
#define VALUES_MAX 100000	/* of one alias */

struct reading {
	struct alias_table *table;
	const char *file;
	unsigned line;
	unsigned depth;			/* of includes */
	struct str *error;
};

static int
fail(struct reading *r, const char *text, struct span about)
{
	str_cut(r->error, 0);
	str_printf(r->error, "%s:%u: %s%s%.*s", r->file != NULL ? r->file : "aliases", r->line, text, about.len > 0 ? ", not " : "", (int)(about.len < 200 ? about.len : 200),
	    about.data);
	return -1;
}

static int
no_memory(struct reading *r)
{
	return fail(r, "no memory", (struct span){ "", 0 });
}

const char *
alias_keep_file(struct alias_table *table, const char *path)
{
	char **files = realloc(table->files, (table->file_count + 1) * sizeof(char *));

	if (files == NULL)
		return NULL;
	table->files = files;
	files[table->file_count] = strdup(path);
	return files[table->file_count] != NULL ? files[table->file_count++] : NULL;
}

static int add_values(struct reading *r, struct alias *a, struct span text);

/* A file of values, one or several a line. */
static int
include(struct reading *r, struct alias *a, struct span path)
{
	struct str text = STR_INIT(ALIAS_FILE_MAX), name = STR_INIT(4096);
	struct reading inner = { .table = r->table, .depth = r->depth + 1, .error = r->error };
	struct span rest, line;
	int result = -1;

	if (r->depth >= ALIAS_INCLUDES_MAX)
		return fail(r, "expected fewer files within files", (struct span){ "", 0 });
	if (path.len == 0 || path.data[0] != '/' || memchr(path.data, '\0', path.len) != NULL)
		return fail(r, "expected an absolute path after :include:", path);
	if (str_add_span(&name, path) == 0 && (inner.file = alias_keep_file(r->table, name.data)) != NULL)
		result = inputs_read(r->table->inputs, "aliases", inner.file, &text, r->error);
	if (result < 0 && r->error->len > 0) {
		struct str why = STR_INIT(8192);

		str_add_span(&why, str_span(r->error));
		fail(r, "expected a file that can be read", str_span(&why));
		str_free(&why);
	}
	rest = str_span(&text);
	while (result == 0 && span_word(&rest, '\n', &line)) {
		inner.line++;
		line = span_trim(line);
		if (line.len > 0 && line.data[0] != '#')
			result = add_values(&inner, a, line);
	}
	str_free(&text);
	str_free(&name);
	return result;
}

static int
put_value(struct reading *r, struct alias *a, enum alias_kind kind, struct span text)
{
	struct alias_value *values;

	if (a->count >= VALUES_MAX)
		return fail(r, "expected fewer addresses", (struct span){ "", 0 });
	/* Room grows by doubling: at powers of two. */
	if ((a->count & (a->count - 1)) == 0) {
		values = realloc(a->values, (a->count > 0 ? a->count * 2 : 1) * sizeof(*values));
		if (values == NULL)
			return no_memory(r);
		a->values = values;
	}
	a->values[a->count] = (struct alias_value){ .kind = kind, .text = STR_INIT(4096), .file = r->file, .line = r->line };
	if (str_add_span(&a->values[a->count].text, text) < 0)
		return no_memory(r);
	a->count++;
	return 0;
}

static bool
is_drop(struct span text)
{
	struct span name, rest;

	if (!plan_split(text, &name, &rest) || !text_is_clean(text, PLAN_DROP_LEN) || memchr(text.data, '@', text.len) != NULL)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!((name.data[i] >= 'a' && name.data[i] <= 'z') || (name.data[i] >= '0' && name.data[i] <= '9') || name.data[i] == '-'))
			return false;
	return true;
}

static int
add_address(struct reading *r, struct alias *a, enum alias_kind kind, struct span text)
{
	struct str plain = STR_INIT(ENVELOPE_ADDRESS_MAX);
	struct span rest = text;
	struct address address;
	int result;

	/* Frank <frank@example.org> is an address too. */
	if (address_next(&rest, &address) == 1 && span_trim(rest).len == 0 && address_plain(&plain, address.spec) == 0
	    && address_is_valid(str_span(&plain), true))
		result = put_value(r, a, kind, str_span(&plain));
	else
		result = fail(r, "expected an address, a local name, a drop or :include:/file", text);
	str_free(&plain);
	return result;
}

static int
add_value(struct reading *r, struct alias *a, struct span text)
{
	struct span inner = text;

	if (inner.len > 1 && inner.data[0] == '"' && inner.data[inner.len - 1] == '"')
		inner = span_skip((struct span){ inner.data, inner.len - 1 }, 1);
	if (span_starts(inner, ":include:"))
		return include(r, a, span_skip(inner, 9));
	if (span_is(inner, "/dev/null"))
		return put_value(r, a, ALIAS_DROP, span_of(PLAN_DISCARD));
	if (inner.len > 0 && inner.data[0] == '|')
		return fail(r, "expected no program: name one as a drop (pipe) of deaddrop-local, and write local:NAME", text);
	if (inner.len > 0 && inner.data[0] == '/')
		return fail(r, "expected no file: name one as a drop (mbox, maildir) of deaddrop-local, and write local:NAME", text);
	if (is_drop(inner))
		return put_value(r, a, ALIAS_DROP, inner);
	if (text.len > 1 && text.data[0] == '\\')
		return add_address(r, a, ALIAS_PLAIN, span_skip(text, 1));
	return add_address(r, a, ALIAS_ADDRESS, text);
}

/* Values stand between commas that are in no quotes, brackets or comments. */
static int
add_values(struct reading *r, struct alias *a, struct span text)
{
	bool quoted = false;
	int depth = 0;
	size_t from = 0;

	for (size_t i = 0; i <= text.len; i++) {
		char c = i < text.len ? text.data[i] : ',';
		struct span value;

		if (c == '\\' && i + 1 < text.len) {
			i++;
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '(' || c == '<'))
			depth++;
		else if (!quoted && (c == ')' || c == '>') && depth > 0)
			depth--;
		if (i < text.len && (c != ',' || quoted || depth > 0))
			continue;
		value = span_trim((struct span){ text.data + from, i - from });
		from = i + 1;
		if (value.len > 0 && add_value(r, a, value) < 0)
			return -1;
	}
	return quoted || depth > 0 ? fail(r, "expected a closing quote or bracket", text) : 0;
}

static struct alias *
new_alias(struct reading *r, struct span name)
{
	struct alias_table *t = r->table;
	struct alias *a;

	if (t->count >= ALIASES_MAX)
		return NULL;
	if ((t->count & (t->count - 1)) == 0) {
		a = realloc(t->all, (t->count > 0 ? t->count * 2 : 1) * sizeof(*a));
		if (a == NULL)
			return NULL;
		t->all = a;
	}
	a = &t->all[t->count];
	*a = (struct alias){ .name = STR_INIT(4096), .file = r->file, .line = r->line };
	for (size_t i = 0; i < name.len; i++)
		if (str_add_char(&a->name, name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32) : name.data[i]) < 0)
			return NULL;
	t->count++;
	return a;
}

/* "name: value, value" with its continuations. */
static int
add_line(struct reading *r, struct span text)
{
	struct span name = text;
	struct alias *a;
	size_t len = 0;

	if (text.data[0] == '"') {
		for (len = 1; len < text.len && text.data[len] != '"';)
			len++;
		name = (struct span){ text.data + 1, len - 1 };
		len++;
		while (len < text.len && (text.data[len] == ' ' || text.data[len] == '\t'))
			len++;
	} else {
		while (len < text.len && text.data[len] != ':')
			len++;
		name.len = len;
		name = span_trim(name);
	}
	if (len >= text.len || text.data[len] != ':' || name.len == 0 || memchr(name.data, ' ', name.len) != NULL
	    || !text_is_clean(name, ENVELOPE_ADDRESS_MAX))
		return fail(r, "expected \"name: address, ...\"", span_trim(text));
	a = new_alias(r, name);
	if (a == NULL)
		return no_memory(r);
	if (add_values(r, a, span_skip(text, len + 1)) < 0)
		return -1;
	return a->count > 0 ? 0 : fail(r, "expected an address after the colon", (struct span){ "", 0 });
}

/* Takes one line with those that continue it. */
static bool
next_line(struct span *rest, unsigned *line, unsigned *next, struct str *text)
{
	struct span piece;

	str_cut(text, 0);
	*line = *next;
	while (span_word(rest, '\n', &piece)) {
		(*next)++;
		if (span_trim(piece).len > 0 && piece.data[0] != '#') {
			if (text->len == 0)
				*line = *next - 1;
			if (str_add_char(text, ' ') < 0 || str_add_span(text, piece) < 0)
				return false;
		}
		if (text->len > 0 && (rest->len == 0 || (rest->data[0] != ' ' && rest->data[0] != '\t')))
			return true;
	}
	return text->len > 0;
}

int
alias_table_load(struct alias_table *table, const char *path, struct str *error)
{
	struct reading r = { .table = table, .file = alias_keep_file(table, path), .error = error };
	struct str text = STR_INIT(ALIAS_FILE_MAX), line = STR_INIT(ALIAS_FILE_MAX);
	unsigned next = 1;
	struct span rest;
	int result = r.file != NULL ? inputs_read(table->inputs, "aliases", path, &text, error) : no_memory(&r);

	rest = str_span(&text);
	while (result == 0 && next_line(&rest, &r.line, &next, &line)) {
		struct span whole = span_skip(str_span(&line), 1);

		if (whole.data[0] == ' ' || whole.data[0] == '\t')
			result = fail(&r, "expected a name before the first continuation", (struct span){ "", 0 });
		else
			result = add_line(&r, whole);
	}
	str_free(&text);
	str_free(&line);
	return result;
}
