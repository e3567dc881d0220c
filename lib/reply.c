/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "reply.h"

#include <string.h>

void reply_init(struct reply *reply)
{
	/* it may repeat what was sent in a login */
	*reply = (struct reply){ .text = STR_SECRET(REPLY_BYTES_MAX), .line = STR_SECRET(REPLY_BYTES_MAX) };
}

void reply_clear(struct reply *reply)
{
	reply->code = 0;
	reply->lines = reply->bytes = 0;
	reply->whole = false;
	str_cut(&reply->text, 0);
	str_cut(&reply->line, 0);
}

void reply_free(struct reply *reply)
{
	str_free(&reply->text);
	str_free(&reply->line);
}

static bool is_code(const char *at)
{
	return at[0] >= '2' && at[0] <= '5' && at[1] >= '0' && at[1] <= '9' && at[2] >= '0' && at[2] <= '9';
}

static int keep_text(struct str *text, struct span line)
{
	if (str_reserve(text, line.len + 1) < 0)
		return -1;
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];

		(void)str_add_char(text, (c < ' ' && c != '\t') || c == 0x7f ? '?' : line.data[i]);
	}
	return str_add_char(text, '\n');
}

/* A line without its end. */
static enum reply_result take_line(struct reply *reply, struct span line)
{
	if (line.len < 3 || !is_code(line.data) || (line.len > 3 && line.data[3] != ' ' && line.data[3] != '-'))
		return REPLY_BAD;
	reply->code = (unsigned)(line.data[0] - '0') * 100 + (unsigned)(line.data[1] - '0') * 10 + (unsigned)(line.data[2] - '0');
	reply->lines++;
	if (keep_text(&reply->text, span_skip(line, 4)) < 0)
		return REPLY_BAD;
	reply->whole = line.len == 3 || line.data[3] == ' ';
	return reply->whole ? REPLY_WHOLE : REPLY_MORE;
}

static struct span without_end(struct span line)
{
	line.len--;
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

enum reply_result reply_take(struct reply *reply, struct span bytes, size_t *used)
{
	enum reply_result result = REPLY_MORE;

	*used = 0;
	if (reply->whole)
		reply_clear(reply);
	while (result == REPLY_MORE && bytes.len) {
		const char *end = memchr(bytes.data, '\n', bytes.len);
		size_t len = end ? (size_t)(end - bytes.data) + 1 : bytes.len;

		reply->bytes += len;
		if (reply->bytes > REPLY_BYTES_MAX || str_append(&reply->line, bytes.data, len) < 0)
			return REPLY_BAD;
		*used += len;
		bytes = span_skip(bytes, len);
		if (!end)
			break;
		result = take_line(reply, without_end(str_span(&reply->line)));
		str_cut(&reply->line, 0);
	}
	return result;
}

bool reply_line(struct span *rest, struct span *line)
{
	return span_word(rest, '\n', line);
}

bool reply_status(const struct reply *reply, char status[static OUTCOME_STATUS_MAX])
{
	struct span rest = str_span(&reply->text), line, word;
	enum outcome_verdict verdict;

	if (!reply_line(&rest, &line) || !span_word(&line, ' ', &word) || word.len >= OUTCOME_STATUS_MAX || !outcome_is_status(word, &verdict))
		return false;
	if ((unsigned)(word.data[0] - '0') != reply->code / 100)
		return false;
	memcpy(status, word.data, word.len);
	status[word.len] = '\0';
	return true;
}

/* The enhanced code, which stands in each line, is said once. */
static struct span tail_of(struct span line, const char *status)
{
	size_t len = strlen(status);

	if (len && line.len > len && span_starts(line, status) && line.data[len] == ' ')
		return span_skip(line, len + 1);
	return line;
}

int reply_text(const struct reply *reply, struct str *out, size_t max)
{
	struct span rest = str_span(&reply->text), line;
	char status[OUTCOME_STATUS_MAX] = "";
	size_t begin = out->len;
	bool first = true;

	if (str_printf(out, "%03u", reply->code) < 0)
		return -1;
	(void)reply_status(reply, status);
	while (reply_line(&rest, &line) && out->len - begin < max) {
		if (!first)
			line = tail_of(line, status);
		first = false;
		if (line.len && (str_add_char(out, ' ') < 0 || str_add_span(out, line) < 0))
			return -1;
	}
	if (out->len - begin > max)
		str_cut(out, begin + max);
	return 0;
}
