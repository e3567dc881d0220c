/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "copy.h"
#include "crc32c.h"
#include "read_at.h"
#include "send.h"

#define PASS_MOST (60 * CLOCK_SECOND)	/* a file that cannot be read must not hold up all mail for ever */
#define PASS_TICK (CLOCK_SECOND / 10)
#define HEAD "%c "

static void
tick(void *arg)
{
	(void)arg;		/* the turn that the timer began does the work */
}

void
earlier_init(struct send *s)
{
	loop_timer_init(&s->earlier.tick, tick, s);
}

static void
forget(struct send *s)
{
	if (s->earlier.config == NULL)
		return;
	config_free(s->earlier.config);
	free(s->earlier.config);
	s->earlier.config = NULL;
}

void
earlier_free(struct send *s)
{
	if (loop_timer_is_set(&s->earlier.tick))
		loop_timer_clear(s->loop, &s->earlier.tick);
	forget(s);
}

static int
read_file(int dir, struct str *text)
{
	int fd = openat(dir, "config", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), saved;
	int result = fd < 0 ? -1 : read_rest(text, fd, 0);

	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return result;
}

/* "%c CRC\n", and the inputs. */
static bool
is_sound(struct str *text)
{
	struct span rest = str_span(text), line, word;
	uint64_t crc;

	if (!span_word(&rest, '\n', &line) || !span_starts(line, HEAD))
		return false;
	word = span_skip(line, sizeof(HEAD) - 1);
	if (word.len != 8 || span_hex(word, UINT32_MAX, &crc) < 0 || crc32c(0, rest.data, rest.len) != crc)
		return false;
	str_shift(text, line.len + 1);
	return true;
}

/* The configuration that the copy is of. */
static void
load(struct send *s, struct str *text)
{
	struct config *config = calloc(1, sizeof(*config));
	struct str error = STR_INIT(8192);
	int result = -1;

	if (config != NULL) {
		config_init(config);
		result = config_load_again(config, text, &error);
	}
	if (result == 0) {
		s->earlier.config = config;
		s->earlier.passing = true;
		s->earlier.until = loop_now(s->loop) + PASS_MOST;
		loop_timer_set(s->loop, &s->earlier.tick, loop_now(s->loop) + PASS_TICK);
		log_event(s->log, "earlier", "the configuration has changed since a stop that was not clean: attempts that may have succeeded are noted first");
	} else {
		log_event(s->log, "warning", "outcome/config: %s; what may have been delivered goes where the configuration says now", error.data);
		if (config != NULL)
			config_free(config);
		free(config);
	}
	str_free(&error);
}

void
earlier_open(struct send *s)
{
	struct str text = STR_INIT(INPUTS_MAX);

	if (read_file(s->spool.dir[SPOOL_OUTCOME], &text) < 0) {
		if (errno != ENOENT)
			log_errno(s->log, "read outcome/config");
	} else if (!is_sound(&text)) {
		log_event(s->log, "warning", "outcome/config: it is damaged");
	} else if (span_equal(str_span(&text), str_span(&s->config.inputs.text))) {
		s->earlier.written = true;
		inputs_free(&s->config.inputs);
	} else if (s->mark.old > 0) {
		load(s, &text);
	}
	str_free(&text);
}

static int
write_tmp(int fd, struct span text)
{
	struct str head = STR_INIT(64);
	int result = -1;

	if (str_add(&head, HEAD) == 0 && str_add_hex(&head, crc32c(0, text.data, text.len), 8) == 0 && str_add_char(&head, '\n') == 0
	    && copy_bytes(fd, head.data, head.len) == 0 && copy_bytes(fd, text.data, text.len) == 0)
		result = fdatasync(fd);
	str_free(&head);
	return result;
}

int
earlier_write(struct send *s)
{
	int dir = s->spool.dir[SPOOL_OUTCOME], fd, result = -1, saved;

	if (s->earlier.written)
		return 0;
	fd = openat(dir, "config.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (write_tmp(fd, str_span(&s->config.inputs.text)) == 0 && renameat(dir, "config.tmp", dir, "config") == 0)
		result = fsync(dir);
	saved = errno;
	close(fd);
	if (result < 0)
		unlinkat(dir, "config.tmp", 0);
	else
		inputs_free(&s->config.inputs);
	s->earlier.written = result == 0;
	errno = saved;
	return result;
}

void
earlier_note(struct send *s, struct mail *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct target *t = &m->targets[i];

		/* A notification that is held as a whole was never handed out; a line of its target's would outlast its release. */
		if (t->unclear && !t->noted && t->state != TARGET_HELD)
			outcomes_note_lost(s, m, t);
	}
}

/* Whether something that an earlier process may have handed out has not been looked at. */
static bool
is_through(struct send *s)
{
	if (s->deferred.ids != NULL)
		return false;
	for (struct list *l = s->files.order.after; l != &s->files.order; l = l->after) {
		struct file *f = list_owner(l, struct file, order);

		if (f->old && !f->foreign && f->name.usec <= s->mark.old && reader_has_unread(s, f))
			return false;
	}
	return true;
}

void
earlier_turn(struct send *s)
{
	struct earlier *earlier = &s->earlier;
	bool late;

	if (!earlier->passing || loop_timer_is_set(&earlier->tick))
		return;
	late = loop_now(s->loop) >= earlier->until;
	deferred_write(s);
	outcomes_turn(s);
	outcomes_sync_all(s);
	if (!late && (!is_through(s) || !list_empty(&s->outcomes.dirty) || !list_empty(&s->outcomes.unsynced) || !list_empty(&s->deferred.unwritten))) {
		loop_timer_set(s->loop, &earlier->tick, loop_now(s->loop) + PASS_TICK);
		return;
	}
	earlier->passing = false;
	if (late)
		log_event(s->log, "warning", "not all attempts that may have succeeded could be noted; mail goes on");
	else
		forget(s);
}
