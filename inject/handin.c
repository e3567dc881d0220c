/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "attributes.h"
#include "author.h"
#include "body.h"
#include "compose.h"
#include "deadletter.h"
#include "given.h"
#include "named.h"
#include "person.h"
#include "source.h"
#include "split.h"
#include "submit.h"

#define TEXT_MAX 4096

struct handin {
	const struct options *options;
	const struct settings *settings;
	struct handin_result *result;
	struct source source;
	struct split split;
	struct compose compose;
	struct author author;
	struct recipients named;	/* by arguments or --envelope-fd */
	struct str given;		/* the envelope of --envelope-fd */
	struct envelope envelope;
	struct submit *submit;
	struct body body;
	struct span piece, rest;	/* of the input: the header's piece at hand, or the body's first one, and what was read behind it */
	bool headed;			/* the header is complete */
};

void handin_result_init(struct handin_result *r)
{
	*r = (struct handin_result){ STR_INIT(TEXT_MAX), STR_INIT(TEXT_MAX), STR_INIT(TEXT_MAX) };
}

void handin_result_free(struct handin_result *r)
{
	str_free(&r->id);
	str_free(&r->error);
	str_free(&r->warning);
}

static int fail(struct handin *h, int code, const char *text)
{
	str_cut(&h->result->error, 0);
	str_add(&h->result->error, text);
	return code;
}

static int fail_errno(struct handin *h, int code, const char *text)
{
	const char *why = strerror(errno);

	fail(h, code, text);
	str_printf(&h->result->error, ": %s", why);
	return code;
}

/* The header */

/* Takes fields until the body begins, whose first bytes are then piece and rest. */
static int read_header(struct handin *h)
{
	enum split_event event;
	int more = 1;

	for (;;) {
		event = more > 0 ? split_next(&h->split, &h->rest, &h->piece) : split_end(&h->split, &h->piece);
		switch (event) {
		case SPLIT_MORE:
			h->piece = (struct span){ "", 0 };
			more = source_read(&h->source, &h->rest);
			if (more < 0)
				return fail_errno(h, EX_IOERR, "cannot read the message from standard input");
			break;
		case SPLIT_FIELD:
			compose_field(&h->compose, h->piece);
			break;
		case SPLIT_PART:
			compose_part(&h->compose, h->piece);
			break;
		case SPLIT_REST:
			compose_rest(&h->compose, h->piece);
			break;
		case SPLIT_BODY:
			h->headed = true;
			return 0;
		case SPLIT_NO_MEMORY:
			return fail(h, EX_TEMPFAIL, "out of memory");
		}
		if (h->compose.code != 0)
			return fail(h, h->compose.code, h->compose.error.data);
	}
}

/* The envelope */

static int add_recipient(struct handin *h, struct span address, const char *notify)
{
	if (envelope_add_recipient(&h->envelope, address) < 0)
		return -1;
	return notify[0] != '\0' ? envelope_add_recipient_attribute(&h->envelope, span_of("notify"), span_of(notify)) : 0;
}

static int add_recipients(struct handin *h, struct recipients *named)
{
	char notify[ATTRIBUTES_NOTIFY_MAX] = "";
	struct span rest = str_span(&named->text), address;

	if (h->options->notify) {
		attributes_notify(h->options->notify, notify);
		if (notify[0] == '\0')
			str_add(&h->result->warning, "-N means nothing here: never, or success,failure,delay; ");
	}
	while (recipients_next(&rest, &address))
		if (add_recipient(h, address, notify) < 0)
			return -1;
	return 0;
}

static int no_recipients(struct handin *h)
{
	struct compose *c = &h->compose;

	if (c->bad.len > 0) {
		fail(h, EX_DATAERR, "no recipient is an address: ");
		str_add_span(&h->result->error, str_span(&c->bad));
		return EX_DATAERR;
	}
	return fail(h, EX_USAGE, "no recipients: give them as arguments, or in To, Cc or Bcc of the message's header");
}

static bool has_eight_bits(struct span text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return true;
	return false;
}

static int make_envelope(struct handin *h)
{
	struct envelope *e = &h->envelope;
	char passed_over;

	if (h->compose.collect && named_merge(&h->named, compose_recipients(&h->compose), h->options->subtract && h->options->from_header) < 0)
		return fail_errno(h, EX_TEMPFAIL, "cannot keep the recipients");
	if (h->named.count == 0)
		return no_recipients(h);
	if (h->compose.bad.len > 0)
		str_printf(&h->result->warning, "no addresses, passed over: %s; ", h->compose.bad.data);
	if (author_find(&h->author, h->options, h->settings, h->options->envelope_fd >= 0 ? h->given.data + 1 : NULL,
	    &h->result->warning) < 0 || envelope_set_sender(e, str_span(&h->author.sender)) < 0)
		return fail_errno(h, EX_TEMPFAIL, "cannot find the sender");
	if (attributes_message(e, h->options, &passed_over) < 0 || add_recipients(h, &h->named) < 0 ||
	    ((has_eight_bits(str_span(&e->sender)) || has_eight_bits(str_span(&e->rcpts))) &&
	    envelope_add_attribute(e, span_of("smtputf8"), span_of("1")) < 0))
		return fail_errno(h, EX_TEMPFAIL, "cannot make the envelope");
	if (passed_over)
		str_printf(&h->result->warning, "-%c has a value that means nothing here: passed over; ", passed_over);
	return 0;
}

static int complete_header(struct handin *h)
{
	struct compose *c = &h->compose;

	if (compose_lacks_author(c) && author_complete(&h->author, h->options, h->settings) < 0)
		return fail_errno(h, EX_TEMPFAIL, "cannot find the author");
	if (compose_complete(c, str_span(&h->author.address), str_span(&h->author.name), c->collect ? NULL : &h->named) < 0)
		return fail(h, c->code, c->error.data);
	return 0;
}

/* The message */

static int write_piece(void *arg, struct span bytes)
{
	return submit_write(arg, bytes) < 0 ? 1 : 0;
}

/* 0, also where queue has settled it already; -1: the header cannot be read again. */
static int write_header(struct handin *h, body_sink_fn *sink, void *arg)
{
	int r;

	sink(arg, str_span(&h->compose.top));
	r = spill_read(&h->compose.header, sink, arg);
	sink(arg, str_span(&h->compose.bottom));
	sink(arg, (struct span){ "\n", 1 });
	return r < 0 ? -1 : 0;
}

static int replay(void *arg, struct submit *submit)
{
	struct handin *h = arg;

	if (!body_can_repeat(&h->body, &h->source) || write_header(h, write_piece, submit) < 0)
		return -1;
	return body_repeat(&h->body, &h->source, write_piece, submit);
}

static int gather(struct handin *h)
{
	if (body_gather(&h->body, &h->source, h->piece, h->rest) == 0)
		return 0;
	return fail_errno(h, errno == ENOMEM || errno == EMSGSIZE ? EX_TEMPFAIL : EX_IOERR, "cannot read the message from standard input");
}

static int send_message(struct handin *h)
{
	h->submit = submit_new(h->settings->socket.data, "inject", h->settings->wait);
	if (!h->submit)
		return fail(h, EX_TEMPFAIL, "out of memory");
	submit_begin(h->submit, &h->envelope);
	if (write_header(h, write_piece, h->submit) < 0)
		return fail_errno(h, EX_TEMPFAIL, "cannot read the header back from its temporary file");
	if (body_write(&h->body, &h->source, write_piece, h->submit) < 0)
		return fail_errno(h, EX_IOERR, "cannot read the message's body");
	return submit_end(h->submit, replay, h, &h->result->id, &h->result->error);
}

/* What could not be handed in */

static int keep_piece(void *arg, struct span bytes)
{
	struct deadletter *letter = arg;

	deadletter_add(letter, bytes);
	return letter->error;
}

static int keep_input(struct source *source, struct deadletter *letter)
{
	struct span bytes;
	int more;

	while ((more = source_read(source, &bytes)) > 0)
		deadletter_add(letter, bytes);
	return more;
}

/* As much as can be had of the message.  0 where that is all of it. */
static int keep_message(struct handin *h, struct deadletter *letter)
{
	if (!h->headed && source_rewind(&h->source) == 0)
		return keep_input(&h->source, letter);
	if (!h->headed) {
		spill_read(&h->compose.header, keep_piece, letter);
		deadletter_add(letter, h->piece);
		deadletter_add(letter, h->rest);
		return keep_input(&h->source, letter);
	}
	if (write_header(h, keep_piece, letter) < 0)
		return -1;
	if (!h->body.passed_on)
		return body_write(&h->body, &h->source, keep_piece, letter);
	if (body_can_repeat(&h->body, &h->source))
		return body_repeat(&h->body, &h->source, keep_piece, letter);
	spill_read(&h->body.kept, keep_piece, letter);
	return -1;
}

static void keep(struct handin *h)
{
	struct deadletter letter;
	struct str login = STR_INIT(TEXT_MAX), home = STR_INIT(TEXT_MAX), *error = &h->result->error;
	bool whole = false;
	int r = person_home(&login, &home);

	if (deadletter_open(&letter, home.data, login.data) < 0 || r < 0)
		r = -1;
	if (r == 0) {
		whole = keep_message(h, &letter) == 0;
		r = deadletter_end(&letter);
	}
	if (r == 0)
		str_printf(error, "; %s is in %s", whole ? "the message" : "as much of the message as could be read", letter.path.data);
	else
		str_printf(error, "; nor can it be kept in %s: %s", letter.path.len > 0 ? letter.path.data : "dead.letter", strerror(errno));
	deadletter_close(&letter);
	str_free(&login);
	str_free(&home);
}

static int name_recipients(struct handin *h)
{
	struct span sender, list;
	int r = named_arguments(&h->named, &h->compose, h->options->operands, h->options->count);

	if (r == 0 && h->options->envelope_fd >= 0) {
		if (given_parse(str_span(&h->given), &sender, &list) < 0)
			return fail(h, EX_DATAERR, "the envelope on --envelope-fd is not complete: F sender NUL, T recipient NUL …, NUL");
		r = named_given(&h->named, &h->compose, list);
	}
	return r == 0 ? 0 : fail_errno(h, EX_TEMPFAIL, "cannot keep the recipients");
}

static int prepare(struct handin *h, int fd)
{
	const struct options *o = h->options;

	if (o->envelope_fd >= 0 && (o->from_header || o->count > 0))
		return fail(h, EX_USAGE, "--envelope-fd brings the recipients: neither -t nor arguments go with it");
	if (o->envelope_fd >= 0 && given_read(&h->given, o->envelope_fd) < 0)
		return fail_errno(h, EX_IOERR, "cannot read the envelope from --envelope-fd");
	if (source_open(&h->source, fd, o->ignore_dots, o->dot) < 0)
		return fail_errno(h, EX_NOINPUT, "cannot read the message from standard input");
	return name_recipients(h);
}

static int run(struct handin *h, int fd)
{
	int code = prepare(h, fd);

	h->compose.collect = h->options->envelope_fd < 0 && (h->options->from_header || (h->named.count == 0 && h->compose.bad.len == 0));
	if (code == 0)
		code = read_header(h);
	if (code == 0)
		code = gather(h);
	if (code == 0)
		code = make_envelope(h);
	if (code == 0)
		code = complete_header(h);
	return code == 0 ? send_message(h) : code;
}

static struct handin *start(const struct options *options, const struct settings *settings, struct handin_result *result)
{
	struct handin *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->options = options;
	h->settings = settings;
	h->result = result;
	h->given = (struct str)STR_INIT(GIVEN_MAX);
	h->piece = h->rest = (struct span){ "", 0 };
	body_init(&h->body);
	split_init(&h->split);
	compose_init(&h->compose, settings, false);
	author_init(&h->author);
	recipients_init(&h->named);
	envelope_init(&h->envelope, 2 * RECIPIENTS_BYTES_MAX);
	return h;
}

static void end(struct handin *h)
{
	submit_free(h->submit);
	envelope_free(&h->envelope);
	recipients_free(&h->named);
	author_free(&h->author);
	compose_free(&h->compose);
	split_free(&h->split);
	body_free(&h->body);
	str_free(&h->given);
	source_close(&h->source);
	free(h);
}

int handin_run(const struct options *options, const struct settings *settings, int fd, struct handin_result *result)
{
	struct handin *h = start(options, settings, result);
	int code = h ? run(h, fd) : EX_TEMPFAIL;

	if (code != 0 && settings->dead_letter && h && h->source.raw)
		keep(h);
	if (h)
		end(h);
	return code;
}

void handin_keep(const struct options *options, const struct settings *settings, int fd, struct handin_result *result)
{
	struct handin *h = start(options, settings, result);

	if (h && source_open(&h->source, fd, options->ignore_dots, options->dot) == 0)
		keep(h);
	if (h)
		end(h);
}
