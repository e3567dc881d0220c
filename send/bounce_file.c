/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "bounce_file.h"
#include "copy.h"
#include "crc32c.h"
#include "message.h"
#include "place.h"
#include "read_at.h"
#include "send.h"

#define FILE_MAX (64U * 1024 * 1024)

static int
read_all(const struct source *source, struct str *out)
{
	size_t whole = (size_t)source->record.body_len;

	if (read_at(out, source->fd, source->body_offset, whole) < 0)
		return -1;
	if (out->len == whole)
		return 0;
	errno = EIO;
	return -1;
}

int
bounce_file_original(struct send *s, const struct source *source, struct str *out, bool *whole)
{
	struct span head = source->body;

	*whole = *whole && !span_is(record_attribute(source->record.attributes, "ret"), "hdrs")
	    && !span_is(record_attribute(source->record.attributes, "ret"), "HDRS")
	    && source->record.body_len <= s->config.bounce.largest;
	if (*whole)
		return read_all(source, out);
	head.len = message_header_length(head);
	return str_add_span(out, head);
}

static bool
has_eighth_bit(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return true;
	return false;
}

static int
put_envelope(struct envelope *e, const struct bounce_report *report, struct span body)
{
	if (envelope_add_recipient(e, report->to) < 0)
		return -1;
	if (has_eighth_bit(body) && envelope_add_attribute(e, span_of("body"), span_of("8BITMIME")) < 0)
		return -1;
	return has_eighth_bit(report->to) ? envelope_add_attribute(e, span_of("smtputf8"), span_of("1")) : 0;
}

static int
put_record(struct str *out, const struct bounce_report *report, uid_t uid, struct span body)
{
	struct envelope envelope;
	struct record_header header = {
		.id = report->id, .arrival = report->now, .key = span_of("-"), .origin = span_of("send"), .uid = uid, .pid = getpid(),
		.envelope = &envelope,
	};
	int result = -1;

	envelope_init(&envelope, 8192);
	if (id_random(&header.mark, sizeof(header.mark)) == 0 && put_envelope(&envelope, report, body) == 0
	    && record_build(out, &header, body.len, crc32c(record_body_crc(header.mark), body.data, body.len)) == 0)
		result = str_add_span(out, body);
	envelope_free(&envelope);
	return result;
}

static int
put_line(struct str *out, struct id id, uint32_t recipient, enum outcome_state state, struct span drop, const char *reason)
{
	struct outcome_line line = {
		.index = id.index, .recipient = recipient, .state = state, .status = span_of(""), .drop = drop, .address = span_of(""),
		.reason = span_of(reason),
	};
	char name[ID_TEXT_MAX];

	id_text(id, name);
	return outcome_line_write(out, span_of(name), &line);
}

static int
put_file(struct send *s, struct str *out, const struct bounce_report *report, uid_t uid, bool held)
{
	struct str body = STR_INIT(FILE_MAX);
	int result = bounce_report_put(&body, report);

	if (result == 0)
		result = put_record(out, report, uid, str_span(&body));
	str_free(&body);
	if (result == 0 && s->config.bounce.local)
		result = put_line(out, report->id, 0, OUTCOME_STATE_TRY_LATER, str_span(&s->config.plan.postmaster),
		    MAIL_INSTEAD "the sender: reports stay here");
	if (result == 0 && held)
		result = put_line(out, report->id, OUTCOME_ALL, OUTCOME_STATE_HELD, span_of(""), BOUNCE_HELD);
	return result;
}

static int
write_tmp(struct send *s, struct span bytes, const char *name)
{
	char tmp[ID_TEXT_MAX + 8];
	int fd, result, saved;

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = openat(s->spool.dir[SPOOL_DEFERRED], tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0)
		return -1;
	result = copy_bytes(fd, bytes.data, bytes.len);
	if (result == 0)
		result = fdatasync(fd);
	saved = errno;
	close(fd);
	if (result < 0)
		unlinkat(s->spool.dir[SPOOL_DEFERRED], tmp, 0);
	errno = saved;
	return result;
}

int
bounce_file_write(struct send *s, const struct bounce_report *report, uid_t uid, bool held)
{
	struct str bytes = STR_INIT(FILE_MAX);
	char name[ID_TEXT_MAX];
	int result;

	id_text(report->id, name);
	result = put_file(s, &bytes, report, uid, held);
	if (result == 0)
		result = write_tmp(s, str_span(&bytes), name);
	str_free(&bytes);
	if (result == 0)
		result = place_rename(s, SPOOL_DEFERRED, name);
	return result == 0 ? fsync(s->spool.dir[SPOOL_DEFERRED]) : -1;
}

int
bounce_file_release(struct send *s, struct id id)
{
	struct str line = STR_INIT(OUTCOME_LINE_MAX);
	char name[ID_TEXT_MAX];
	int fd, result = -1, saved;

	id_text(id, name);
	fd = openat(s->spool.dir[SPOOL_DEFERRED], name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (put_line(&line, id, OUTCOME_ALL, OUTCOME_STATE_TRY_LATER, span_of(""), "its message tells of it") == 0)
		result = copy_bytes(fd, line.data, line.len);
	saved = errno;
	str_free(&line);
	close(fd);
	errno = saved;
	return result;
}
