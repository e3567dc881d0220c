/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking send over admin.ctrl (deaddrop-control(7)): one connection, blocking, with time limits. */
#include <unistd.h>

#include "mailq.h"
#include "mailq_socket.h"
#include "text.h"

#define WORDS_MAX 8

/* Cuts value into words and decodes them into text, one behind the other.  Returns how many there are, -1 where it is malformed. */
static int take_words(struct span value, size_t most, struct span words[static WORDS_MAX], struct str *text)
{
	size_t count = 0, starts[WORDS_MAX + 1];
	struct span word;

	while (count < most && span_word(&value, ' ', &word)) {
		starts[count++] = text->len;
		if (text_decode(text, word) < 0)
			return -1;
	}
	if (value.len)
		return -1;
	starts[count] = text->len;
	for (size_t i = 0; i < count; i++)
		words[i] = (struct span){ text->data + starts[i], starts[i + 1] - starts[i] };
	return (int)count;
}

static int answer_message(struct mailq_out *out, struct span value, struct str *text)
{
	struct mailq_message m;
	struct span w[WORDS_MAX];

	if (take_words(value, 5, w, text) != 5 || span_decimal(w[1], UINT64_MAX, &m.arrival) < 0 || span_decimal(w[2], UINT64_MAX, &m.size) < 0)
		return -1;
	m.id = w[0];
	m.where = w[3];
	m.sender = w[4];
	mailq_message(out, &m);
	return 0;
}

static int answer_recipient(struct mailq_out *out, struct span value, struct str *text)
{
	struct mailq_recipient r;
	struct span w[WORDS_MAX];
	uint64_t number;

	if (!out->messages || take_words(value, 8, w, text) != 8 || span_decimal(w[0], UINT32_MAX, &number) < 0 ||
	    span_decimal(w[2], UINT64_MAX, &r.tries) < 0 || span_decimal(w[3], UINT64_MAX, &r.next) < 0)
		return -1;
	r.state = w[1];
	r.status = w[4];
	r.drop = w[5];
	r.address = w[6];
	r.reason = w[7];
	mailq_recipient(out, &r);
	return 0;
}

static int answer_end(struct mailq_out *out, struct span value, struct str *text)
{
	(void)value;
	(void)text;
	mailq_end(out);
	return 1;
}

static const struct answer {
	char type;
	int (*handle)(struct mailq_out *out, struct span value, struct str *text);
} answers[] = {
	{ 'M', answer_message },
	{ 'R', answer_recipient },
	{ 'E', answer_end },
};

int mailq_answer(struct mailq_out *out, char type, struct span value, struct str *error)
{
	struct str text = STR_INIT(FRAME_MAX);
	int result = -1;

	if (type == 'X') {
		str_add(error, "deaddrop-send says: ");
		mailq_put_safe(error, value);
		return -1;
	}
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		if (answers[i].type == type)
			result = answers[i].handle(out, value, &text);
	if (result < 0)
		str_add(error, "the answer is not to be understood");
	str_free(&text);
	return result;
}

/* Handles the whole frames in in.  As mailq_answer. */
static int take_frames(struct mailq_out *out, struct str *in, bool *greeted, struct str *error)
{
	enum frame_result kind;
	struct frame frame;
	size_t at = 0, used;
	int result = 0;

	while (!result && (kind = frame_take(in->data + at, in->len - at, &frame, &used)) != FRAME_MORE) {
		if (kind == FRAME_BAD || (!*greeted && frame.type != 'H')) {
			str_add(error, "that is no deaddrop-send");
			return -1;
		}
		at += used;
		if (*greeted)
			result = mailq_answer(out, frame.type, frame.value, error);
		*greeted = true;
	}
	str_shift(in, at);
	return result;
}

int mailq_ask(const char *socket, struct mailq_out *out, struct str *error)
{
	struct str in = STR_INIT(2 * 65536 + FRAME_MAX);
	int fd = mailq_socket_open(socket, error);
	bool greeted = false;
	int result;

	if (fd < 0)
		return -1;
	result = mailq_socket_send(fd, 'L', span_of(""), error);
	while (!result) {
		result = mailq_socket_read(fd, &in, error);
		if (!result)
			result = take_frames(out, &in, &greeted, error);
	}
	str_free(&in);
	close(fd);
	return result < 0 ? -1 : 0;
}
