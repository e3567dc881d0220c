/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stage's side of deliveries as the recipient. */
#include "recipient.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "frame.h"
#include "pipe.h"
#include "runs.h"

/* Frames as a deliverer gets them, and L, the message's length, as the last. */
int recipient_put(struct str *out, const struct deliver_job *job, size_t n)
{
	const char *rcpt = NULL;

	for (size_t i = 0; i <= n; i++)
		rcpt = deliver_job_next_recipient(job, rcpt);
	if (frame_put(out, 'J', span_of(job->key_text)) < 0 || frame_put(out, 'D', str_span(&job->target)) < 0 ||
	    (!job->no_sender && frame_put(out, 'S', str_span(&job->sender)) < 0) ||
	    frame_printf(out, 'A', "%llu", (unsigned long long)job->arrival) < 0 || (job->unclear && frame_put(out, 'U', span_of("")) < 0) ||
	    (rcpt && frame_put(out, 'R', span_of(rcpt)) < 0))
		return -1;
	return frame_printf(out, 'L', "%llu", (unsigned long long)deliver_job_size(job));
}

static struct process *start(const struct runs *runs, struct deliver_job *job, size_t n, process_fn *fn, void *arg)
{
	struct str before = STR_INIT(65536), local = STR_INIT(ENVELOPE_BYTES);
	struct process *process = NULL;
	struct pipe_environment env;
	struct process_start want = {
		.loop = runs->host->loop, .keeper = runs->host->keeper, .index = drop_of(job)->index, .before = &before, .job = job, .time = RECIPIENT_TIME,
		.output = 65536,
	};
	int error = ENOMEM;

	if (!pipe_set_environment(&env, job, n, false)) {
		if (!runs_local(&local, job, n) && !recipient_put(&before, job, n)) {
			want.user = local.data;
			want.env = env.vector;
			process = process_new(&want, fn, arg);
		}
		error = errno;
		pipe_free_environment(&env);
	}
	str_free(&before);
	str_free(&local);
	errno = error;
	return process;
}

const char *const recipient_marks[] = { [OUTCOME_UNSAID] = "", [OUTCOME_UNCLEAR] = "?", [OUTCOME_CLEAR] = "-" };

/* The verdict's letter, and behind it what is known of the message otherwise. */
static bool read_verdict(struct span word, enum outcome_verdict class, enum outcome_clarity *clarity)
{
	if (!word.len || class != (enum outcome_verdict)*word.data)
		return false;
	for (size_t i = 0; i < sizeof recipient_marks / sizeof recipient_marks[0]; i++) {
		if (!span_is(span_skip(word, 1), recipient_marks[i]))
			continue;
		*clarity = (enum outcome_clarity)i;
		return true;
	}
	return false;
}

/* Whatever it is that it says otherwise means later. */
static void read_end(const struct process_end *end, struct outcome *outcome)
{
	struct span rest = end->line, verdict, status;
	enum outcome_clarity clarity;
	enum outcome_verdict class;

	if (end->status == 0 && span_word(&rest, ' ', &verdict) && span_word(&rest, ' ', &status) && outcome_is_status(status, &class) &&
	    read_verdict(verdict, class, &clarity)) {
		struct str code = STR_INIT(OUTCOME_STATUS_MAX);

		str_add_span(&code, status);
		outcome_set(outcome, class, code.data, "%.*s", (int)rest.len, rest.data);
		outcome->clarity = clarity;
		str_free(&code);
		return;
	}
	if (end->status != KEEPER_STATUS_UNKNOWN && WIFSIGNALED(end->status))
		outcome_set(outcome, OUTCOME_LATER, "4.3.0", "the recipient's process was ended by signal %d", WTERMSIG(end->status));
	else
		outcome_set(outcome, OUTCOME_LATER, "4.3.0", "the recipient's process failed");
}

static size_t at_once(const struct drop *drop)
{
	(void)drop;
	return RECIPIENT_AT_ONCE;
}

static void *recipient_open(const struct drop_host *host)
{
	static const struct runs_ops ops = { .start = start, .end = read_end, .at_once = at_once };

	return runs_open(host, &ops);
}

int recipient_list(struct drop *drop, struct keeper_list *list, struct recipient_context *context, struct str *error)
{
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	char *env[] = { path, NULL };
	const struct keeper_recipient command = {
		.command = { .env = env, .env_names = (char *const *)(uintptr_t)pipe_names, .max_files = 1024 },
		.function = recipient_run,
		.arg = context,
		.least_uid = drop->least_uid,
	};

	drop->index = keeper_add_recipient(list, &command);
	if (drop->index >= 0)
		return 0;
	str_printf(error, "drop %s: %s", drop->name, strerror(errno));
	return -1;
}

const struct drop_kind recipient_kind = {
	.name = "recipient",
	.place = DROP_NOWHERE,
	.rereads = true,
	.open = recipient_open,
	.close = runs_close,
	.deliver = runs_deliver,
};
