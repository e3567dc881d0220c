/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands.  A start is answered when the command's exec has closed the status pipe, or has written into it why it failed. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_internal.h"

#define RUNNING_MAX 256
#define ENV_MAX 64
#define STATUS_FD 3

struct keeper_job {
	struct keeper_job *next;
	struct keeper_child *child;
	pid_t pid;
	uint32_t id;
	int input, output, status;	/* the stage's ends, until the start is answered; -1 then */
	struct loop_watch *watch;	/* of status */
};

struct pipes { int input[2], output[2], status[2]; };

/* In the command's process */

static int limit_to(int resource, uint64_t value)
{
	const struct rlimit limit = { (rlim_t)value, (rlim_t)value };

	return value == 0 ? 0 : setrlimit(resource, &limit);
}

static int limit_all(const struct keeper_command *command)
{
	(void)umask(077);
	if (setsid() < 0 || limit_to(RLIMIT_AS, command->max_memory) < 0 || limit_to(RLIMIT_CPU, command->max_cpu_seconds) < 0 ||
	    limit_to(RLIMIT_NOFILE, command->max_files) < 0)
		return -1;
	return limit_to(RLIMIT_NPROC, command->max_processes);
}

/* After the change of user, which would undo it: a keeper that is killed takes the process along. */
static int die_with_keeper(void)
{
	return prctl(PR_SET_PDEATHSIG, (long)SIGTERM, 0L, 0L, 0L);
}

static int tell(int why)
{
	return write(STATUS_FD, &why, sizeof why) == (ssize_t)sizeof why ? 127 : 126;
}

static int execute_command(const struct keeper_item *item, char *const *env)
{
	if (limit_all(&item->command) == 0 && keeper_child_be(item->command.uid, item->command.gid) == 0 && chdir(item->command.directory) == 0 && die_with_keeper() == 0)
		(void)execve(item->path, item->command.argv, env);
	return tell(errno);
}

/* env has room for what the user adds, as it was made with. */
static int execute_recipient(const struct keeper_item *item, const char *local, char **env)
{
	struct keeper_user user;
	int why;

	if (limit_all(&item->command) < 0)
		return tell(errno);
	why = keeper_child_become(local, item->least_uid, &user);
	if (why == 0)
		why = keeper_child_user_environment(&user, env);
	if (why != 0)
		return tell(why);
	if (die_with_keeper() < 0)
		return tell(errno);
	if (item->function == NULL) {
		(void)execve(item->path, item->command.argv, env);
		return tell(errno);
	}
	environ = env;
	close(STATUS_FD);
	return item->function(item->arg);
}

/* No descriptor of a pipe is below 3, where the process has its own three and its socket. */
static void execute(const struct keeper_item *item, const struct pipes *pipes, const char *local, char **env)
{
	if (dup2(pipes->input[0], 0) != 0 || dup2(pipes->output[1], 1) != 1 || dup2(pipes->output[1], 2) != 2 || keeper_child_strip(pipes->status[1]) < 0)
		_exit(126);
	_exit(local != NULL ? execute_recipient(item, local, env) : execute_command(item, env));
}

/* Pipes */

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pipes(struct pipes *pipes)
{
	close_if_open(&pipes->input[0]);
	close_if_open(&pipes->input[1]);
	close_if_open(&pipes->output[0]);
	close_if_open(&pipes->output[1]);
	close_if_open(&pipes->status[0]);
	close_if_open(&pipes->status[1]);
}

/* The stage's ends do not block; the command's do, as programs expect. */
static int open_pipes(struct pipes *pipes)
{
	*pipes = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (pipe2(pipes->input, O_CLOEXEC) < 0 || pipe2(pipes->output, O_CLOEXEC) < 0 || pipe2(pipes->status, O_CLOEXEC) < 0)
		return -1;
	if (fcntl(pipes->input[1], F_SETFL, O_NONBLOCK) < 0 || fcntl(pipes->output[0], F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return fcntl(pipes->status[0], F_SETFL, O_NONBLOCK);
}

/* Processes */

static void remove_process(struct keeper_job *process)
{
	struct keeper_job **at = &process->child->processes;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	process->child->process_count--;
	loop_unwatch(process->watch);
	close_if_open(&process->status);
	close_if_open(&process->input);
	close_if_open(&process->output);
	free(process);
}

static struct keeper_job *find_id(const struct keeper_child *child, uint32_t id)
{
	struct keeper_job *process = child->processes;

	while (process != NULL && process->id != id)
		process = process->next;
	return process;
}

/* True when the start has been answered.  A start that failed leaves the process to be reaped, unannounced. */
static bool settle(struct keeper_job *process)
{
	const struct keeper_answer answer = { .kind = KEEPER_STARTED, .id = process->id };
	const int fds[KEEPER_FDS_MAX] = { process->input, process->output };
	int why = 0;
	ssize_t n;

	if (process->status < 0)
		return true;
	n = read(process->status, &why, sizeof why);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	loop_unwatch(process->watch);
	process->watch = NULL;
	close_if_open(&process->status);
	if (n == 0) {
		process->input = process->output = -1;
		keeper_child_answer(process->child, &answer, NULL, 0, fds, KEEPER_FDS_MAX);
		return true;
	}
	keeper_child_fail(process->child, process->id, n == (ssize_t)sizeof why && why != 0 ? why : EIO);
	close_if_open(&process->input);
	close_if_open(&process->output);
	process->id = 0;
	return true;
}

static void status_ready(void *arg, unsigned events)
{
	(void)events;
	(void)settle(arg);
}

static int start(struct keeper_child *child, const struct keeper_item *item, struct keeper_job *process, const char *local, char **env)
{
	struct pipes pipes;
	int why;

	if (open_pipes(&pipes) == 0 && loop_watch(child->loop, pipes.status[0], LOOP_READ, status_ready, process, &process->watch) == 0) {
		process->pid = fork();
		if (process->pid == 0)
			execute(item, &pipes, local, env);
		if (process->pid > 0) {
			process->input = pipes.input[1];
			process->output = pipes.output[0];
			process->status = pipes.status[0];
			pipes.input[1] = pipes.output[0] = pipes.status[0] = -1;
			close_pipes(&pipes);
			return 0;
		}
	}
	why = errno;
	loop_unwatch(process->watch);
	close_pipes(&pipes);
	errno = why;
	return -1;
}

/* The strings of the payload behind the fixed ones.  *all is the caller's to free; -1 with errno. */
static int environment(const struct keeper_command *command, char *payload, size_t len, char ***all)
{
	size_t fixed = 0, added = 0;
	char **env;

	while (command->env[fixed] != NULL)
		fixed++;
	env = calloc(fixed + ENV_MAX + KEEPER_USER_ENV + 1, sizeof *env);
	if (env == NULL)
		return -1;
	for (size_t i = 0; i < fixed; i++)
		env[i] = command->env[i];
	while (len > 0 && added < ENV_MAX) {
		size_t size = strnlen(payload, len) + 1;

		env[fixed + added++] = payload;
		if (size > len)		/* no NUL at its end */
			break;
		payload += size;
		len -= size;
	}
	if (len == 0 && keeper_list_clean(command->env_names, env + fixed, added)) {
		*all = env;
		return 0;
	}
	free(env);
	errno = EINVAL;
	return -1;
}

void keeper_child_run(struct keeper_child *child, const struct keeper_request *request, char *payload)
{
	const struct keeper_item *item = &child->list->items[request->index];
	const char *local = request->verb == KEEPER_BECOME ? payload : NULL;
	size_t skip = local != NULL ? strnlen(payload, request->length) + 1 : 0;
	struct keeper_job *process;
	char **env;

	if (request->id == 0 || find_id(child, request->id) != NULL || child->process_count >= RUNNING_MAX) {
		keeper_child_fail(child, request->id, child->process_count >= RUNNING_MAX ? EAGAIN : EINVAL);
		return;
	}
	if (skip > request->length || environment(&item->command, payload + skip, request->length - skip, &env) < 0) {
		keeper_child_fail(child, request->id, skip > request->length ? EINVAL : errno);
		return;
	}
	process = calloc(1, sizeof *process);
	if (process == NULL) {
		keeper_child_fail(child, request->id, ENOMEM);
	} else {
		*process = (struct keeper_job){ child->processes, child, 0, request->id, -1, -1, -1, NULL };
		if (start(child, item, process, local, env) == 0) {
			child->processes = process;
			child->process_count++;
		} else {
			keeper_child_fail(child, request->id, errno);
			free(process);
		}
	}
	free(env);
}

/* The group leads its session, so that its number is the process's until that is reaped. */
void keeper_child_kill(struct keeper_child *child, const struct keeper_request *request)
{
	const struct keeper_job *process = request->id != 0 ? find_id(child, request->id) : NULL;

	if (process != NULL && request->number > 0 && request->number < NSIG && kill(-process->pid, request->number) < 0)
		(void)kill(process->pid, request->number);	/* it has not come to setsid yet */
}

void keeper_child_kill_all(struct keeper_child *child, int signal)
{
	for (const struct keeper_job *process = child->processes; process != NULL; process = process->next)
		if (kill(-process->pid, signal) < 0)
			(void)kill(process->pid, signal);
}

void keeper_child_run_ended(struct keeper_child *child, pid_t pid, int status)
{
	struct keeper_job *process = child->processes;
	struct keeper_answer answer = { .kind = KEEPER_ENDED, .status = status };

	while (process != NULL && process->pid != pid)
		process = process->next;
	if (process == NULL)
		return;
	(void)settle(process);		/* who has ended has closed the pipe: the start is answered before the end */
	answer.id = process->id;
	remove_process(process);
	if (answer.id != 0)
		keeper_child_answer(child, &answer, NULL, 0, NULL, 0);
}
