/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "route_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

struct route_list *
route_list_new(struct inputs *inputs)
{
	struct route_list *list = calloc(1, sizeof(*list));

	if (list != NULL)
		list->inputs = inputs;
	return list;
}

static void
route_free(struct route *r)
{
	for (size_t i = 0; i < r->cond_count; i++)
		route_cond_free(&r->conds[i]);
	for (size_t i = 0; i < r->chain_count; i++)
		for (size_t n = 0; n < r->chains[i].count; n++) {
			regex_template_free(r->chains[i].steps[n].drop);
			str_free(&r->chains[i].steps[n].text);
		}
	free(r->conds);
	free(r->chains);
}

void
route_list_free(struct route_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		route_free(&list->all[i]);
	for (size_t i = 0; i < list->file_count; i++)
		free(list->files[i]);
	free(list->files);
	free(list->all);
	free(list);
}

static int
take_conditions(struct route *r, struct inputs *inputs, const struct conf_node *node, size_t *n, struct str *error)
{
	bool except = false;

	for (; *n < node->count && strcmp(node->words[*n].text, "to") != 0; ++*n) {
		const struct route_kind *kind = route_kind_find(node->words[*n].text);
		struct route_cond *cond;

		if (strcmp(node->words[*n].text, "except") == 0 && !except) {
			except = true;
			continue;
		}
		if (kind == NULL)
			return conf_error(node, error, "expected all, rcpt, sender, header, size, origin, uid, group, client, client-group, auth, except or to, not \"%s\"",
			    node->words[*n].text);
		cond = realloc(r->conds, (r->cond_count + 1) * sizeof(*cond));
		if (cond == NULL)
			return conf_error(node, error, "no memory");
		r->conds = cond;
		cond += r->cond_count++;
		*cond = (struct route_cond){ .inputs = inputs, .kind = kind, .except = except, .word = STR_INIT(4096), .name = STR_INIT(256) };
		if (kind->take(cond, node, n, error) < 0)
			return -1;
		except = false;
	}
	if (except || r->cond_count == 0)
		return conf_error(node, error, "expected a condition %s", except ? "after except" : "such as all or rcpt before to");
	return *n < node->count ? 0 : conf_error(node, error, "expected to and a drop at the end");
}

/* As many captures as there can be at all: the first pattern that is no exception. */
static size_t
captures_of(const struct route *r)
{
	for (size_t i = 0; i < r->cond_count; i++)
		if (r->conds[i].regex != NULL && !r->conds[i].except)
			return regex_captures(r->conds[i].regex);
	return 0;
}

static int
take_drop(struct route *r, struct route_chain *chain, const struct conf_node *node, size_t n, struct str *error)
{
	struct route_step *step = &chain->steps[chain->count];
	struct str why = STR_INIT(1024);
	struct span text, name, rest;

	if (n >= node->count)
		return conf_error(node, error, "expected a drop such as local:inbox after %s", node->words[node->count - 1].text);
	text = (struct span){ node->words[n].text, node->words[n].len };
	if (!text_is_clean(text, PLAN_DROP_LEN)
	    || !(span_is(text, PLAN_DISCARD) || (plan_split(text, &name, &rest) && memchr(name.data, '$', name.len) == NULL)))
		return conf_error(node, error, "expected a drop such as local:inbox, or discard, not %s", node->words[n].text);
	*step = (struct route_step){ .text = STR_INIT(PLAN_DROP_LEN), .drop = regex_template_new(text, captures_of(r), &why) };
	if (step->drop == NULL || str_set(&step->text, text) < 0)
		conf_error(node, error, "%s: %s", node->words[n].text, why.data);
	chain->count += step->drop != NULL;
	str_free(&why);
	return step->drop != NULL ? 0 : -1;
}

/* imap:phone else local:inbox after 1d */
static int
take_chain(struct route *r, const struct conf_node *node, size_t *n, struct str *error)
{
	struct route_chain *chain = realloc(r->chains, (r->chain_count + 1) * sizeof(*chain));

	if (chain == NULL)
		return conf_error(node, error, "no memory");
	r->chains = chain;
	chain += r->chain_count++;
	chain->count = 0;
	if (take_drop(r, chain, node, (*n)++, error) < 0)
		return -1;
	while (*n < node->count && strcmp(node->words[*n].text, "else") == 0) {
		if (chain->count == ROUTE_CHAIN_MAX)
			return conf_error(node, error, "expected at most %d drops in a chain", ROUTE_CHAIN_MAX);
		if (take_drop(r, chain, node, *n + 1, error) < 0)
			return -1;
		if (*n + 3 >= node->count || strcmp(node->words[*n + 2].text, "after") != 0
		    || conf_duration(&node->words[*n + 3], &chain->steps[chain->count - 2].after) < 0)
			return conf_error(node, error, "expected after and a time such as 1d behind else %s", node->words[*n + 1].text);
		*n += 4;
	}
	return 0;
}

static const char *
keep_name(struct route_list *list, const char *file)
{
	char **files;

	if (list->file_count > 0 && strcmp(list->files[list->file_count - 1], file) == 0)
		return list->files[list->file_count - 1];
	files = realloc(list->files, (list->file_count + 1) * sizeof(char *));
	if (files == NULL)
		return NULL;
	list->files = files;
	files[list->file_count] = strdup(file);
	return files[list->file_count] != NULL ? files[list->file_count++] : NULL;
}

int
route_list_add(struct route_list *list, const struct conf_node *node, struct str *error)
{
	struct route *r = realloc(list->all, (list->count + 1) * sizeof(*r));
	size_t n = 1;

	if (r == NULL)
		return conf_error(node, error, "no memory");
	list->all = r;
	r += list->count++;
	*r = (struct route){ .file = keep_name(list, node->conf->file), .line = node->line };
	if (take_conditions(r, list->inputs, node, &n, error) < 0)
		return -1;
	n++;
	if (n >= node->count)
		return conf_error(node, error, "expected a drop after to");
	while (n < node->count) {
		if (strcmp(node->words[n].text, "and") == 0) {
			r->and = true;
			return n + 1 == node->count && r->chain_count > 0 ? 0 : conf_error(node, error, "expected and at the end alone, behind a drop");
		}
		if (take_chain(r, node, &n, error) < 0)
			return -1;
	}
	return 0;
}

int
route_list_drops(const struct route_list *list, int (*see)(void *arg, const char *file, unsigned line, struct span drop), void *arg)
{
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		const struct route *r = &list->all[i];

		for (size_t c = 0; c < r->chain_count; c++)
			for (size_t n = 0; n < r->chains[c].count; n++)
				if (see(arg, r->file, r->line, str_span(&r->chains[c].steps[n].text)) < 0)
					return -1;
	}
	return 0;
}

static size_t
count_of(struct span text, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == c;
	return count;
}

/* What a sender chose must not become a component of a path, climb, hide or look like an option. */
static bool
is_harmless(struct span drop, struct span template)
{
	struct span rest = drop, component;
	bool first = true;

	if (!text_is_clean(drop, PLAN_DROP_LEN) || count_of(drop, '/') != count_of(template, '/') || drop.data[drop.len - 1] == '/')
		return false;
	while (span_word(&rest, '/', &component)) {
		if (!first && (component.len == 0 || component.data[0] == '.' || component.data[0] == '-'))
			return false;
		first = false;
	}
	return true;
}

/* Expands a chain.  1; 0: a capture is not to be used; -1. */
static int
expand(const struct route_chain *chain, const struct regex_match *match, struct str *drops, size_t ends[static ROUTE_CHAIN_MAX + 1])
{
	ends[0] = drops->len;
	for (size_t n = 0; n < chain->count; n++) {
		/* A capture may be longer than any drop. */
		if (regex_template_expand(chain->steps[n].drop, match, drops) < 0)
			return errno == EMSGSIZE ? 0 : -1;
		ends[n + 1] = drops->len;
		if (!regex_template_fixed(chain->steps[n].drop)
		    && !is_harmless((struct span){ drops->data + ends[n], ends[n + 1] - ends[n] }, str_span(&chain->steps[n].text)))
			return 0;
	}
	return 1;
}

static int
add_chain(const struct route_chain *chain, const struct str *drops, const size_t *ends, plan_add_fn *add, void *arg)
{
	for (size_t n = 0; n < chain->count; n++) {
		struct plan_step step = {
			.drop = { drops->data + ends[n], ends[n + 1] - ends[n] }, .address = span_of(""), .otherwise = span_of(""),
			.after = chain->steps[n].after, .fallback = n > 0,
		};

		if (n + 1 < chain->count)
			step.otherwise = (struct span){ drops->data + ends[n + 1], ends[n + 2] - ends[n + 1] };
		if (add(arg, &step) < 0)
			return -1;
	}
	return 0;
}

/* 1: it matches. 0; -1: no memory. */
static int
matches(const struct route *r, struct route_subject *subject)
{
	for (size_t i = 0; i < r->cond_count; i++) {
		int result = r->conds[i].kind->matches(&r->conds[i], subject);

		/* A pattern that takes too long matches nothing, and excepts nothing. */
		if (result < 0) {
			plan_say(subject->query, r->file, r->line, PLAN_LIMIT, subject->address);
			return 0;
		}
		if ((result > 0) == r->conds[i].except)
			return 0;
	}
	return 1;
}

static int
apply(const struct route *r, struct route_subject *subject, plan_add_fn *add, void *arg)
{
	struct str drops = STR_INIT(64 * 1024);
	size_t ends[ROUTE_CHAIN_MAX + 1];
	int result = 1;

	for (size_t c = 0; c < r->chain_count && result == 1; c++) {
		str_cut(&drops, 0);
		result = expand(&r->chains[c], subject->match, &drops, ends);
	}
	if (result != 1)
		plan_say(subject->query, r->file, r->line, "refused", str_span(&drops));
	for (size_t c = 0; c < r->chain_count && result == 1; c++) {
		str_cut(&drops, 0);
		result = expand(&r->chains[c], subject->match, &drops, ends);
		for (size_t n = 0; result == 1 && n < r->chains[c].count; n++)
			plan_say(subject->query, r->file, r->line, n > 0 ? "else" : "route", (struct span){ drops.data + ends[n], ends[n + 1] - ends[n] });
		if (result == 1 && add_chain(&r->chains[c], &drops, ends, add, arg) < 0)
			result = -1;
	}
	str_free(&drops);
	return result;
}

/* root is root@our.name for patterns. */
static int
qualify(const struct plan *plan, struct span address, struct str *out)
{
	struct span local;

	if (!plan_is_local(plan, address, &local))
		return str_add_span(out, address);
	return str_add_span(out, local) < 0 || str_add_char(out, '@') < 0 ? -1 : str_add_span(out, str_span(&plan->host));
}

int
route_list_find(const struct route_list *list, const struct plan *plan, const struct plan_query *query, struct span address, plan_add_fn *add,
    void *arg)
{
	struct str full = STR_INIT(8192), text = STR_INIT(8U * 1024 * 1024);
	int result = 0, decided = 0;
	struct span local;

	if (list == NULL)
		return 0;
	if (!plan_is_local(plan, address, &local))
		local = span_of("");
	if (qualify(plan, address, &full) < 0)
		result = -1;
	for (size_t i = 0; i < list->count && result >= 0; i++) {
		struct regex_match match = { .count = 1, .at = { str_span(&full) } };
		struct route_subject subject = { .query = query, .address = str_span(&full), .own = address, .local = local, .match = &match, .text = &text };

		str_cut(&text, 0);
		if (matches(&list->all[i], &subject) > 0)
			result = apply(&list->all[i], &subject, add, arg);
		else
			continue;
		decided |= result > 0;
		if (result > 0 && !list->all[i].and)
			break;
	}
	str_free(&full);
	str_free(&text);
	return result < 0 ? -1 : decided;
}

uint64_t
route_list_least_after(const struct route_list *list, uint64_t most)
{
	for (size_t i = 0; list != NULL && i < list->count; i++)
		for (size_t n = 0; n < list->all[i].chain_count; n++) {
			const struct route_chain *chain = &list->all[i].chains[n];

			for (size_t k = 0; k + 1 < chain->count; k++)
				if (chain->steps[k].after < most)
					most = chain->steps[k].after;
		}
	return most;
}
