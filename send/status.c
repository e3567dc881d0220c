/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "status.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "copy.h"
#include "send.h"
#include "text.h"
#include "waiting.h"

#define EVERY (10 * CLOCK_SECOND)

/* What there is to tell; the order is that of the files. */
struct telling {
	uint64_t waiting, deferred, flying, oldest, down;
};

static void tick(void *arg);

void
status_init(struct send *s)
{
	s->status.dir = -1;
	loop_timer_init(&s->status.tick, tick, s);
}

static void
count_entry(void *arg, struct entry *e)
{
	struct telling *t = arg;
	uint64_t usec = e->place == ENTRY_DEFERRED ? e->at.name.usec : e->at.journal.file->name.usec;

	t->waiting++;
	if (t->oldest == 0 || usec < t->oldest)
		t->oldest = usec;
}

static const struct metric {
	const char *name, *help, *type;
} metrics[] = {
	{ "waiting", "Messages that are not settled.", "gauge" },
	{ "deferred", "Of them, those that wait for another try.", "gauge" },
	{ "flying", "Of them, those that are being delivered.", "gauge" },
	{ "oldest", "Seconds since the oldest of them arrived.", "gauge" },
	{ "drops_down", "Drops that are down as a whole, and backed off.", "gauge" },
	{ "accepted_total", "Messages taken over from queue since the start.", "counter" },
	{ "done_total", "Deliveries since the start.", "counter" },
	{ "later_total", "Attempts since the start that are to be made again.", "counter" },
	{ "failed_total", "Failures since the start.", "counter" },
	{ "bounces_total", "Notifications since the start.", "counter" },
	{ "written", "When this was written, in seconds since 1970.", "gauge" },
};
#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

static void
put_file(struct send *s, const char *name, const char *tmp, struct span text)
{
	int fd = openat(s->status.dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return;
	/* Not worth a sync; a reader gets the old one or the new one. */
	if (copy_bytes(fd, text.data, text.len) == 0)
		renameat(s->status.dir, tmp, s->status.dir, name);
	close(fd);
}

/* Which drops are down, and for how many seconds. */
static void
put_down(struct send *s, struct str *plain, struct str *prom)
{
	bool first = true;

	for (size_t i = 0; i < s->drops.count; i++) {
		const struct drop *d = s->drops.all[i];
		unsigned long long seconds = waiting_away(&d->outage, drop_down(s, d)) / CLOCK_SECOND;

		if (d->failures == 0)
			continue;
		str_add(plain, "down:");
		text_encode(plain, str_span(&d->name));
		str_printf(plain, " %llu\n", seconds);
		if (first)
			str_add(prom, "# HELP deaddrop_send_drop_down_seconds How long a drop has been down.\n# TYPE deaddrop_send_drop_down_seconds gauge\n");
		first = false;
		str_add(prom, "deaddrop_send_drop_down_seconds{drop=\"");
		for (size_t n = 0; n < d->name.len; n++) {
			if (d->name.data[n] == '"' || d->name.data[n] == '\\')
				str_add_char(prom, '\\');
			str_add_char(prom, d->name.data[n]);
		}
		str_printf(prom, "\"} %llu\n", seconds);
	}
}

static void
tick(void *arg)
{
	struct send *s = arg;
	struct telling t = { .deferred = s->table.deferred, .flying = s->flying };
	struct str plain = STR_INIT(65536), prom = STR_INIT(65536);
	uint64_t now = clock_wall();

	table_each(&s->table, count_entry, &t);
	for (size_t i = 0; i < s->drops.count; i++)
		t.down += s->drops.all[i]->failures > 0;
	uint64_t values[METRICS] = { t.waiting, t.deferred, t.flying, t.oldest != 0 && now > t.oldest ? (now - t.oldest) / CLOCK_SECOND : 0,
		t.down, s->status.accepted, s->status.counts[TARGET_DONE], s->status.counts[TARGET_LATER], s->status.counts[TARGET_FAILED], s->status.bounces,
		now / CLOCK_SECOND };

	for (size_t i = 0; i < METRICS; i++) {
		unsigned long long value = values[i];

		str_printf(&plain, "%s %llu\n", metrics[i].name, value);
		str_printf(&prom, "# HELP deaddrop_send_%s %s\n# TYPE deaddrop_send_%s %s\ndeaddrop_send_%s %llu\n", metrics[i].name, metrics[i].help,
		    metrics[i].name, metrics[i].type, metrics[i].name, value);
	}
	put_down(s, &plain, &prom);
	put_file(s, "send", "send.tmp", str_span(&plain));
	put_file(s, "send.prom", "send.prom.tmp", str_span(&prom));
	str_free(&plain);
	str_free(&prom);
	loop_timer_set(s->loop, &s->status.tick, loop_now(s->loop) + EVERY);
}

void
status_start(struct send *s)
{
	struct str path = STR_INIT(4096);

	if (!s->once && str_printf(&path, "%s/status", s->spool_path) == 0)
		s->status.dir = open(path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	str_free(&path);
	if (s->status.dir >= 0)
		loop_timer_set(s->loop, &s->status.tick, loop_now(s->loop) + CLOCK_SECOND);
}

void
status_stop(struct send *s)
{
	if (loop_timer_is_set(&s->status.tick))
		loop_timer_clear(s->loop, &s->status.tick);
	if (s->status.dir >= 0)
		close(s->status.dir);
	s->status.dir = -1;
}
