/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "alias_internal.h"

#include <stdlib.h>
#include <string.h>

#include "envelope.h"

#define DEPTH_MAX 32

struct alias_table *
alias_table_new(struct inputs *inputs)
{
	struct alias_table *table = calloc(1, sizeof(*table));

	if (table != NULL)
		table->inputs = inputs;
	return table;
}

void
alias_table_free(struct alias_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->count; i++) {
		struct alias *a = &table->all[i];

		for (size_t n = 0; n < a->count; n++)
			str_free(&a->values[n].text);
		free(a->values);
		str_free(&a->name);
	}
	for (size_t i = 0; i < table->file_count; i++)
		free(table->files[i]);
	free(table->files);
	free(table->all);
	free(table);
}

static int
compare_spans(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int
compare(const void *x, const void *y)
{
	const struct alias *a = x, *b = y;
	int order = compare_spans(str_span(&a->name), str_span(&b->name));

	/* Of two with one name, the one read first. */
	return order != 0 ? order : a->line < b->line ? -1 : a->line > b->line;
}

void
alias_sort(struct alias_table *table)
{
	if (table->count > 1)
		qsort(table->all, table->count, sizeof(*table->all), compare);
}

struct alias *
alias_find(const struct alias_table *table, struct span name)
{
	struct str lower = STR_INIT(4096);
	struct alias *found = NULL;
	size_t low = 0, high = table->count;

	for (size_t i = 0; i < name.len; i++)
		if (str_add_char(&lower, name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32) : name.data[i]) < 0)
			high = 0;
	while (low < high && found == NULL) {
		size_t middle = low + (high - low) / 2;
		int order = compare_spans(str_span(&lower), str_span(&table->all[middle].name));

		if (order == 0)
			found = &table->all[middle];
		else if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	str_free(&lower);
	return found;
}

struct alias *
alias_of(const struct alias_table *table, struct span name, struct span *extension)
{
	struct alias *a = alias_find(table, name);
	const char *plus = name.len > 0 ? memchr(name.data + 1, '+', name.len - 1) : NULL;

	*extension = (struct span){ "", 0 };
	if (a != NULL || plus == NULL)
		return a;
	*extension = span_skip(name, (size_t)(plus - name.data));
	name.len = (size_t)(plus - name.data);
	return alias_find(table, name);
}

/* Depth first; a name that is met below itself closes a loop, unless it names itself at once. */
static int
find_loops(const struct alias_table *table, const struct plan *plan, struct alias *a, unsigned depth, struct str *error)
{
	a->state = 1;
	for (size_t i = 0; i < a->count; i++) {
		const struct alias_value *v = &a->values[i];
		struct span local, extension;
		struct alias *next;

		if (v->kind != ALIAS_ADDRESS || !plan_is_local(plan, str_span(&v->text), &local))
			continue;
		next = alias_of(table, local, &extension);
		if (next == NULL || next == a || next->state == 2)
			continue;
		if (next->state == 1 || depth >= DEPTH_MAX) {
			str_cut(error, 0);
			str_printf(error, "%s:%u: %s: expected no loop: it leads to %s and back", a->file, a->line, a->name.data, next->name.data);
			return -1;
		}
		if (find_loops(table, plan, next, depth + 1, error) < 0)
			return -1;
	}
	a->state = 2;
	return 0;
}

int
alias_table_finish(struct alias_table *table, const struct plan *plan, struct str *error)
{
	alias_sort(table);
	for (size_t i = 1; i < table->count; i++)
		if (span_equal(str_span(&table->all[i - 1].name), str_span(&table->all[i].name))) {
			str_cut(error, 0);
			str_printf(error, "%s:%u: %s: expected one alias of that name; there is another at %s:%u", table->all[i].file,
			    table->all[i].line, table->all[i].name.data, table->all[i - 1].file, table->all[i - 1].line);
			return -1;
		}
	for (size_t i = 0; i < table->count; i++)
		if (table->all[i].state == 0 && find_loops(table, plan, &table->all[i], 0, error) < 0)
			return -1;
	return 0;
}

int
alias_table_drops(const struct alias_table *table, int (*see)(void *arg, const char *file, unsigned line, struct span drop), void *arg)
{
	for (size_t i = 0; table != NULL && i < table->count; i++)
		for (size_t n = 0; n < table->all[i].count; n++) {
			const struct alias_value *v = &table->all[i].values[n];

			if (v->kind == ALIAS_DROP && see(arg, v->file, v->line, str_span(&v->text)) < 0)
				return -1;
		}
	return 0;
}

struct expanding {
	const struct plan *plan;
	const struct plan_query *query;
	alias_add_fn *add;
	void *arg;
	const struct alias *path[DEPTH_MAX + 1];
	size_t depth, leaves;
};

static int visit(struct expanding *x, struct span address);

static int
emit(struct expanding *x, enum alias_kind kind, struct span text)
{
	if (++x->leaves > PLAN_STEPS_MAX)
		return 0;
	return x->add(x->arg, kind, text);
}

/* A local name without an extension of its own keeps the one that led to it. */
static int
visit_extended(struct expanding *x, struct span address, struct span extension)
{
	struct str text = STR_INIT(ENVELOPE_ADDRESS_MAX);	/* no deliverer takes a longer one */
	struct span local;
	int result;

	if (extension.len == 0 || memchr(address.data, '@', address.len) != NULL || memchr(address.data, '+', address.len) != NULL
	    || !plan_is_local(x->plan, address, &local))
		return visit(x, address);
	if (str_add_span(&text, address) < 0 || str_add_span(&text, extension) < 0)
		result = visit(x, address);
	else
		result = visit(x, str_span(&text));
	str_free(&text);
	return result;
}

static int
follow(struct expanding *x, const struct alias *a, struct span extension)
{
	x->path[x->depth++] = a;
	/* Users' files may lead to each other in more ways than there is time for. */
	for (size_t i = 0; i < a->count && x->leaves <= PLAN_STEPS_MAX; i++) {
		const struct alias_value *v = &a->values[i];
		struct span text = str_span(&v->text);

		plan_say(x->query, v->file, v->line, "alias", text);
		if (v->kind == ALIAS_ADDRESS ? visit_extended(x, text, extension) < 0 : emit(x, v->kind, text) < 0)
			return -1;
	}
	x->depth--;
	return 0;
}

static int
visit(struct expanding *x, struct span address)
{
	const struct alias *a = NULL;
	struct span local, extension = { "", 0 };

	if (x->plan->aliases != NULL && plan_is_local(x->plan, address, &local)) {
		a = alias_of(x->plan->aliases, local, &extension);
		/* The catch-all is for names that are in no file, not for what an alias led to: it would catch its own. */
		if (a == NULL && x->depth == 0)
			a = alias_find(x->plan->aliases, span_of("*"));
	}
	for (size_t i = 0; i < x->depth; i++)
		if (x->path[i] == a)
			a = NULL;
	if (a == NULL || x->depth > DEPTH_MAX)
		return emit(x, ALIAS_ADDRESS, address);
	return follow(x, a, extension);
}

int
alias_expand(const struct plan *plan, const struct plan_query *query, struct span address, alias_add_fn *add, void *arg)
{
	struct expanding x = { .plan = plan, .query = query, .add = add, .arg = arg };

	return visit(&x, address);
}
