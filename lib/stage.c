/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order in which a stage starts and ends.  Each step stands on the ones before it. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "stage_internal.h"
#include "version.h"

struct loop *stage_loop(struct stage *stage) { return stage->loop; }
struct ctrl_hub *stage_hub(struct stage *stage) { return stage->hub; }
struct log *stage_log(struct stage *stage) { return stage->log; }
struct jail *stage_jail(struct stage *stage) { return &stage->jail; }
struct sandbox *stage_sandbox(struct stage *stage) { return &stage->sandbox; }
const struct stage_socket *stage_in(const struct stage *stage, size_t n) { return n < stage->in_count ? &stage->in[n] : NULL; }
const char *stage_out(const struct stage *stage, size_t n) { return n < stage->out_count ? stage->out[n] : NULL; }
const char *stage_config(const struct stage *stage) { return stage->config; }
bool stage_once(const struct stage *stage) { return stage->once; }
bool stage_draining(const struct stage *stage) { return stage->draining; }
bool stage_checking(const struct stage *stage) { return stage->check; }
unsigned stage_verbose(const struct stage *stage) { return stage->verbose; }

void
stage_exit_now(struct stage *stage, int status)
{
	stage->over = true;
	stage->status = status;
}

void
stage_warn(struct stage *stage, struct span lines)
{
	struct span line;
	while (span_word(&lines, '\n', &line))
		if (stage->check)
			dprintf(STDERR_FILENO, "deaddrop-%s: warning: %.*s\n", stage->program->name, (int)line.len, line.data);
		else
			log_event(stage->log, "warning", "%.*s", (int)line.len, line.data);
}

static int fail(struct stage *stage, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* stage->error := the text; returns status, so that a step can end with it. */
static int
fail(struct stage *stage, int status, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	str_cut(&stage->error, 0);
	str_add(&stage->error, text);
	return status;
}

/* A descriptor that is opened in the place of 0, 1 or 2 would be taken for standard input, output or error by somebody. */
static int
open_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd != -1 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

/* Before anything is opened, so that no number is meant twice.  What a shell opened for a path of the command line, <( ), is kept until the files there are read. */
static int
close_inherited(struct stage *stage)
{
	const struct stage_program *p = stage->program;
	int status = p->told != NULL ? p->told(stage->self, stage, &stage->told, &stage->error) : 0;
	if (status != 0)
		return status;
	if (stage->notify_fd != -1)
		descriptors_add(&stage->told, stage->notify_fd);
	struct descriptors keep = stage->told;
	for (int i = 1; i < stage->argc; i++) {
		int fd = descriptors_named(stage->argv[i]);
		if (fd > STDERR_FILENO && !descriptors_has(&stage->told, fd)) {
			descriptors_add(&stage->named, fd);
			descriptors_add(&keep, fd);
		}
	}
	descriptors_close(STDERR_FILENO + 1, &keep);
	return 0;
}

static int
open_log(struct stage *stage)
{
	enum log_sink sink = stage->syslog ? LOG_SYSLOG : stage->logfile != NULL ? LOG_FILE : LOG_STDERR;
	if (stage->logfile != NULL) {
		stage->log_file = open(stage->logfile, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (stage->log_file == -1)
			return fail(stage, EX_CANTCREAT, "--logfile %s: %s", stage->logfile, strerror(errno));
	}
	stage->log = log_new(stage->program->name, sink, sink == LOG_FILE ? stage->log_file : STDERR_FILENO);
	if (stage->log == NULL)
		return fail(stage, EX_OSERR, "out of memory");
	log_set_verbose(stage->log, stage->verbose);
	return 0;
}

/* The C library reads the zone's file at its first use, and will not find it in a chroot. */
static int
read_zone(struct stage *stage)
{
	time_t now = time(NULL);
	struct tm tm;
	(void)stage;
	tzset();
	localtime_r(&now, &tm);
	return 0;
}

static int
ask_for_root(struct stage *stage)
{
	const char *option = stage->jail.root != NULL ? "--chroot" : stage->user != NULL ? "--user" : NULL;
	if (option == NULL || geteuid() == 0 || stage->check)
		return 0;
	return fail(stage, EX_NOPERM, "%s: needs root; leave --chroot and --user out to run by hand", option);
}

static int
prepare(struct stage *stage)
{
	const struct stage_program *p = stage->program;
	return p->prepare != NULL ? p->prepare(stage->self, stage, &stage->error) : 0;
}

static int
check(struct stage *stage)
{
	const struct stage_program *p = stage->program;
	if (!stage->check)
		return 0;
	int status = p->check != NULL ? p->check(stage->self, stage, &stage->error) : 0;
	if (status != 0 || stage->over)
		return status;
	printf("deaddrop-%s: configuration is fine\n", p->name);
	stage_exit_now(stage, fflush(stdout) == 0 ? 0 : EX_IOERR);
	return 0;
}

static int
bind_sockets(struct stage *stage)
{
	for (size_t i = 0; i < stage->in_count; i++) {
		struct stage_socket *in = &stage->in[i];
		const char *option = in->trusted ? "--in-trust" : "--in";
		if (ctrl_bind(in->path, in->mode, geteuid(), in->group, &in->fd, &in->lock_fd) == 0)
			continue;
		in->fd = in->lock_fd = -1;
		if (errno == EBUSY)
			return fail(stage, EX_TEMPFAIL, "%s %s: another process listens there and holds its lock", option, in->path);
		return fail(stage, EX_CANTCREAT, "%s %s: %s", option, in->path, strerror(errno));
	}
	return 0;
}

static int
leave_what_was_read(struct stage *stage)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1)
		return fail(stage, EX_OSERR, "/dev/null: %s", strerror(errno));
	close(fd);
	for (size_t i = 0; i < stage->named.count; i++)
		close(stage->named.fds[i]);
	return 0;
}

/* Before prepare: the descriptor must not reach the commands of a keeper that is forked there. */
static int
find_notify(struct stage *stage)
{
	if (stage->notify_fd != -1 && fcntl(stage->notify_fd, F_SETFD, FD_CLOEXEC) != 0)
		return fail(stage, EX_USAGE, "--notify-fd %d: %s", stage->notify_fd, strerror(errno));
	stage_run_find_notify(stage);
	return 0;
}

static int
enter_jail(struct stage *stage)
{
	return jail_enter(&stage->jail, &stage->error) == 0 ? 0 : EX_OSERR;
}

static int
make_loop(struct stage *stage)
{
	stage->loop = loop_new();
	stage->hub = stage->loop != NULL ? ctrl_hub_new(stage->loop, stage->program->name, stage->program->buffer_cap) : NULL;
	if (stage->hub == NULL || stage_run_signals(stage) != 0)
		return fail(stage, EX_OSERR, "event loop: %s", strerror(errno));
	ctrl_hub_share(stage->hub, stage->program->buffer_share);
	return 0;
}

static int
enter_sandbox(struct stage *stage)
{
	if (sandbox_enter(&stage->sandbox, &stage->landlock, &stage->error) == 0)
		return 0;
	return errno == ENOENT ? EX_NOINPUT : EX_OSERR;
}

static int
start(struct stage *stage)
{
	const struct stage_program *p = stage->program;
	stage->started = true;
	return p->start != NULL ? p->start(stage->self, stage, &stage->error) : 0;
}

static int
announce(struct stage *stage)
{
	static const char *const modes[] = { [SANDBOX_ON] = "on", [SANDBOX_LOG] = "log", [SANDBOX_OFF] = "off" };
	struct log_line line;
	log_begin(&line, stage->log, "start");
	log_word(&line, "version", DEADDROP_VERSION);
	log_num(&line, "pid", (uint64_t)getpid());
	log_num(&line, "uid", getuid());
	log_word(&line, "chroot", stage->jail.root != NULL ? stage->jail.root : "none");
	log_num(&line, "landlock", (uint64_t)stage->landlock);
	log_word(&line, "seccomp", modes[stage->sandbox.mode]);
	log_end(&line);
	stage_run_ready(stage);
	return 0;
}

static int (*const steps[])(struct stage *stage) = {
	close_inherited, open_log, read_zone, ask_for_root, find_notify, prepare, check, bind_sockets, leave_what_was_read,
	enter_jail, make_loop, enter_sandbox, start, announce, stage_run_loop,
};

static void
report(struct stage *stage)
{
	const char *text = stage->error.len > 0 ? stage->error.data : "cannot go on";
	dprintf(STDERR_FILENO, "deaddrop-%s: %s\n", stage->program->name, text);
	if (stage->syslog || stage->logfile != NULL)
		log_event(stage->log, "error", "%s", text);
}

/* Once the start hook was called the listening sockets are in its hands. */
static void
close_descriptors(struct stage *stage)
{
	for (size_t i = 0; i < stage->in_count && !stage->started; i++) {
		if (stage->in[i].fd != -1)
			close(stage->in[i].fd);
		if (stage->in[i].lock_fd != -1)
			close(stage->in[i].lock_fd);
	}
	if (stage->notify_socket != -1)
		close(stage->notify_socket);
}

/* In the order that lets each part still reach what it stands on. */
static void
end(struct stage *stage)
{
	const struct stage_program *p = stage->program;
	if (p->destroy != NULL && stage->self != NULL)
		p->destroy(stage->self);
	if (stage->hub != NULL)
		ctrl_hub_free(stage->hub);
	if (stage->started && !stage->over) {
		struct log_line line;
		log_begin(&line, stage->log, "end");
		log_num(&line, "status", (uint64_t)stage->status);
		log_end(&line);
	}
	if (stage->loop != NULL)
		loop_free(stage->loop);
	close_descriptors(stage);
	log_free(stage->log);
	if (stage->log_file != -1)
		close(stage->log_file);
	str_free(&stage->error);
}

/* The jail does the same and more; but secrets are read before it, and a run by hand has none. */
static void
leave_no_core(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		return;
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &limit);
}

static void
init(struct stage *stage, const struct stage_program *program)
{
	memset(stage, 0, sizeof *stage);
	stage->program = program;
	stage->error = (struct str)STR_INIT(STAGE_ERROR_MAX);
	stage->in_mode = 0660;
	stage->in_group = (gid_t)-1;
	stage->notify_fd = stage->notify_socket = stage->log_file = -1;
	stage->sandbox.mode = SANDBOX_ON;
	stage->sandbox.needs = program->needs | (program->has_in || program->has_out ? SANDBOX_UNIX : 0);
	/* the limit counts threads too */
	stage->jail.no_processes = (program->needs & (SANDBOX_THREADS | SANDBOX_CHILDREN)) == 0;
}

int
stage_main(const struct stage_program *program, int argc, char **argv)
{
	struct stage stage;
	if (open_standard() != 0)
		return EX_OSERR;
	signal(SIGPIPE, SIG_IGN);
	leave_no_core();
	memory_begin();
	init(&stage, program);
	stage.argc = argc;
	stage.argv = argv;
	int status = 0;
	if (program->create != NULL && (stage.self = program->create()) == NULL)
		status = fail(&stage, EX_OSERR, "out of memory");
	if (status == 0)
		status = stage_options_read(&stage, argc, argv);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == 0 && !stage.over; i++)
		status = steps[i](&stage);
	if (status != 0) {
		report(&stage);
		stage.status = status;
	}
	end(&stage);
	return stage.status;
}
