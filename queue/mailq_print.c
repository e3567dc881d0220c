/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two forms in which mailq prints. */
#include "clock.h"
#include "mailq.h"

#define LINE_MAX_BYTES (64U * 1024)

static void print(struct mailq_out *out, struct str *line)
{
	fwrite(line->data, 1, line->len, out->file);
	str_free(line);
}

/* ---- text ---- */

static void text_begin(struct mailq_out *out)
{
	(void)out;
}

static void text_message(struct mailq_out *out, const struct mailq_message *m)
{
	struct str line = STR_INIT(LINE_MAX_BYTES), age = STR_INIT(64);

	if (!out->messages)
		fprintf(out->file, "%-36s %7s %10s  %s\n", "ID", "AGE", "SIZE", "SENDER, STATE");
	mailq_put_duration(&age, out->now > m->arrival ? out->now - m->arrival : 0);
	mailq_put_safe(&line, m->id);
	str_printf(&line, " %*s%7s %10llu  <", m->id.len < 36 ? (int)(36 - m->id.len) : 0, "", age.data, (unsigned long long)m->size);
	mailq_put_safe(&line, m->sender);
	str_add(&line, "> ");
	mailq_put_safe(&line, m->where);
	str_add_char(&line, '\n');
	str_free(&age);
	print(out, &line);
}

static void text_next(struct str *line, uint64_t now, uint64_t next)
{
	str_add(line, ", next ");
	if (next > now) {
		str_add(line, "in ");
		mailq_put_duration(line, next - now);
	} else {
		str_add(line, "now");
	}
}

static void text_recipient(struct mailq_out *out, const struct mailq_recipient *r)
{
	struct str line = STR_INIT(LINE_MAX_BYTES);

	str_add(&line, "    <");
	mailq_put_safe(&line, r->address);
	str_add(&line, "> ");
	mailq_put_safe(&line, r->state);
	if (r->tries)
		str_printf(&line, ", %llu %s", (unsigned long long)r->tries, r->tries == 1 ? "try" : "tries");
	if (r->next)
		text_next(&line, out->now, r->next);
	if (r->drop.len) {
		str_add(&line, ", ");
		mailq_put_safe(&line, r->drop);
	}
	if (r->status.len || r->reason.len)
		str_add(&line, ": ");
	mailq_put_safe(&line, r->status);
	if (r->status.len && r->reason.len)
		str_add_char(&line, ' ');
	mailq_put_safe(&line, r->reason);
	str_add_char(&line, '\n');
	print(out, &line);
}

static void text_end(struct mailq_out *out)
{
	if (!out->messages)
		fputs("The queue is empty.\n", out->file);
	else
		fprintf(out->file, "-- %llu message%s, %llu bytes\n", (unsigned long long)out->messages, out->messages == 1 ? "" : "s", (unsigned long long)out->bytes);
}

const struct mailq_printer mailq_text_printer = { text_begin, text_message, text_recipient, text_end };

/* ---- JSON ---- */

static void json_field(struct str *line, const char *name, struct span value)
{
	str_printf(line, ", \"%s\": ", name);
	if (value.len)
		mailq_put_json(line, value);
	else
		str_add(line, "null");
}

/* Seconds since 1970; whole microseconds survive. */
static void json_time(struct str *line, const char *name, uint64_t time)
{
	if (time)
		str_printf(line, ", \"%s\": %llu.%06llu", name, (unsigned long long)(time / CLOCK_SECOND), (unsigned long long)(time % CLOCK_SECOND));
	else
		str_printf(line, ", \"%s\": null", name);
}

static void json_begin(struct mailq_out *out)
{
	fputc('[', out->file);
}

static void json_message(struct mailq_out *out, const struct mailq_message *m)
{
	struct str line = STR_INIT(LINE_MAX_BYTES);

	str_add(&line, out->messages ? "]},\n" : "\n");
	str_add(&line, "{\"id\": ");
	mailq_put_json(&line, m->id);
	json_time(&line, "arrival", m->arrival);
	str_printf(&line, ", \"age\": %llu, \"size\": %llu", (unsigned long long)((out->now > m->arrival ? out->now - m->arrival : 0) / CLOCK_SECOND),
	    (unsigned long long)m->size);
	str_add(&line, ", \"sender\": ");
	mailq_put_json(&line, m->sender);		/* the null sender is "" */
	json_field(&line, "where", m->where);
	str_add(&line, ", \"recipients\": [");
	print(out, &line);
}

static void json_recipient(struct mailq_out *out, const struct mailq_recipient *r)
{
	struct str line = STR_INIT(LINE_MAX_BYTES);

	str_add(&line, out->recipients ? ",\n  {\"address\": " : "\n  {\"address\": ");
	mailq_put_json(&line, r->address);
	json_field(&line, "state", r->state);
	str_printf(&line, ", \"tries\": %llu", (unsigned long long)r->tries);
	json_time(&line, "next", r->next);
	json_field(&line, "status", r->status);
	json_field(&line, "drop", r->drop);
	json_field(&line, "reason", r->reason);
	str_add_char(&line, '}');
	print(out, &line);
}

static void json_end(struct mailq_out *out)
{
	fputs(out->messages ? "]}\n]\n" : "]\n", out->file);
}

const struct mailq_printer mailq_json_printer = { json_begin, json_message, json_recipient, json_end };
