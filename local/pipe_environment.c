/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What programs learn of a message by their environment, and what their exit status means. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "address.h"
#include "pipe.h"

const char *const pipe_names[PIPE_VARIABLES + 1] = { "SENDER", "RECIPIENT", "LOCAL", "DOMAIN", "DEADDROP_ID", "EXTENSION", NULL };

struct facts {
	struct span sender, rcpt, local, domain, id, extension;
	char id_text[ID_TEXT_MAX];
};

/* LOCAL and DOMAIN are of the address that mail came for, before aliases; RECIPIENT and EXTENSION of the one behind them. */
static void gather(struct facts *facts, const struct deliver_job *job, size_t n)
{
	const char *rcpt = NULL, *plus;
	struct span original, local, domain;

	*facts = (struct facts){ .sender = str_span(&job->sender) };
	for (size_t i = 0; i <= n && (rcpt = deliver_job_next_recipient(job, rcpt)); i++)
		facts->rcpt = span_of(rcpt);
	original = facts->rcpt;
	deliver_job_recipient_attribute(job, n, "orig", &original);
	address_split(original, &facts->local, &facts->domain);
	address_split(facts->rcpt, &local, &domain);
	plus = local.len ? memchr(local.data, '+', local.len) : NULL;
	if (plus)
		facts->extension = span_skip(local, (size_t)(plus - local.data) + 1);
	id_text(job->key.id, facts->id_text);
	facts->id = span_of(facts->id_text);
}

int pipe_set_environment(struct pipe_environment *env, const struct deliver_job *job, size_t n, bool extension)
{
	struct facts facts;
	const struct span *const values[PIPE_VARIABLES] = { &facts.sender, &facts.rcpt, &facts.local, &facts.domain, &facts.id, &facts.extension };
	size_t count = extension ? PIPE_VARIABLES : PIPE_VARIABLES - 1;

	gather(&facts, job, n);
	*env = (struct pipe_environment){ .vector = { NULL } };
	for (size_t i = 0; i < count; i++) {
		env->text[i] = (struct str)STR_INIT(8192);
		if (str_printf(&env->text[i], "%s=", pipe_names[i]) < 0 || str_add_span(&env->text[i], *values[i]) < 0) {
			pipe_free_environment(env);
			errno = ENOMEM;
			return -1;
		}
		env->vector[i] = env->text[i].data;
	}
	return 0;
}

void pipe_free_environment(struct pipe_environment *env)
{
	for (size_t i = 0; i < PIPE_VARIABLES; i++)
		if (env->text[i].max)
			str_free(&env->text[i]);
}

/* ---- exit status ---- */

/* What is not here is later: 4.3.0. */
static const struct { int code; enum outcome_verdict verdict; const char *status, *meaning; } codes[] = {
	{ EX_OK, OUTCOME_DONE, "2.0.0", "delivered" },
	{ EX_USAGE, OUTCOME_LATER, "4.3.5", "wrong command line" },
	{ EX_DATAERR, OUTCOME_NEVER, "5.6.0", "it does not take this message" },
	{ EX_NOUSER, OUTCOME_NEVER, "5.1.1", "no such user" },
	{ EX_NOHOST, OUTCOME_NEVER, "5.1.2", "no such host" },
	{ EX_UNAVAILABLE, OUTCOME_NEVER, "5.3.0", "it refused the message" },
	{ EX_NOPERM, OUTCOME_NEVER, "5.7.0", "not permitted" },
	{ EX_CONFIG, OUTCOME_LATER, "4.3.5", "wrong configuration" },
	{ 100, OUTCOME_NEVER, "5.3.0", "it refused the message" },	/* so qmail's programs say */
	{ 126, OUTCOME_LATER, "4.3.5", "it could not be started" },
	{ 127, OUTCOME_LATER, "4.3.5", "it could not be started" },
};

static void exited(int code, struct span line, struct outcome *outcome)
{
	enum outcome_verdict verdict = OUTCOME_LATER;
	const char *status = "4.3.0", *meaning = "it failed";

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		if (codes[i].code != code)
			continue;
		verdict = codes[i].verdict;
		status = codes[i].status;
		meaning = codes[i].meaning;
	}
	if (line.len)
		outcome_set(outcome, verdict, status, "exit %d: %.*s", code, (int)line.len, line.data);
	else
		outcome_set(outcome, verdict, status, "exit %d: %s", code, meaning);
}

void pipe_outcome(int status, struct span line, struct outcome *outcome)
{
	if (status == KEEPER_STATUS_UNKNOWN)
		outcome_set(outcome, OUTCOME_LATER, "4.3.0", "its end was not seen");
	else if (WIFEXITED(status))
		exited(WEXITSTATUS(status), line, outcome);
	else if (WIFSIGNALED(status))
		outcome_set(outcome, OUTCOME_LATER, "4.3.0", "ended by signal %d%s%.*s", WTERMSIG(status), line.len ? ": " : "", (int)line.len, line.data);
	else
		outcome_set(outcome, OUTCOME_LATER, "4.3.0", "its end was not seen");
}
