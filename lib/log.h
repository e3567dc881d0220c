/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log: one line an event, "stage: event key=value … "text"", at most LOG_LINE_MAX bytes.  Values from outside are quoted where they hold
 * anything but printable ASCII without blanks and quotes; control characters, quotes, backslashes and bytes from 0x80 that are no valid UTF-8
 * are written \xHH, so that no peer can forge a line.  A value that takes more than LOG_VALUE_MAX bytes is cut and ends with "..."; so does a line that is full.
 * To a file each line begins with the local time; to syslog with priority, program and pid.
 * Writing never blocks and never fails for the caller: lines that the sink does not take wait in a bounded buffer, what does not
 * fit is counted, and the count is logged when there is room again.
 */
#ifndef DEADDROP_LOG_H
#define DEADDROP_LOG_H

#include <sys/types.h>

#include "id.h"

#define LOG_LINE_MAX 4096	/* PIPE_BUF: a line is written at once or not at all */

#define LOG_VALUE_MAX 1200
#define LOG_WAITING_MAX (64U * 1024)	/* bytes of lines that wait */

struct log;

enum log_sink { LOG_STDERR, LOG_SYSLOG, LOG_FILE };

/*
 * To be called before a chroot.  stage is kept, not copied.  fd: of the sink (stderr: 2; file: opened for append; syslog: ignored, it is connected here);
 * it stays the caller's.  Syslog that is not there, or goes away, is replaced by standard error.  NULL: no memory.
 * A pipe that is standard error is opened anew as non-blocking, for the open one is shared with other processes; where that is refused
 * (a pipe of another user) it is written to as it is.
 */
struct log *log_new(const char *stage, enum log_sink sink, int fd);
void log_free(struct log *log);		/* tries once more to write what waits; NULL is allowed here and wherever a log is passed */
void log_set_verbose(struct log *log, unsigned level);
unsigned log_verbose(const struct log *log);
int log_fd(const struct log *log);	/* to wait for LOOP_WRITE on while log_waiting; -1 if none */
bool log_waiting(const struct log *log);
void log_retry(struct log *log);	/* write what waits */
void log_batch(struct log *log, bool batch);	/* true: lines wait for log_retry (once a turn), or until PIPE_BUF bytes of them wait */
uint64_t log_lost(const struct log *log);	/* lines lost so far */

/* A line is put together by its caller: log_begin, then values, then log_end, which writes it. */
struct log_line {
	struct log *log;
	size_t len;
	bool full;			/* what did not fit was left out */
	char text[LOG_LINE_MAX];
};

void log_begin(struct log_line *line, struct log *log, const char *event);
void log_str(struct log_line *line, const char *key, struct span value);         /* key=value */
void log_word(struct log_line *line, const char *key, const char *value);
void log_address(struct log_line *line, const char *key, struct span address);   /* key=<address> */
void log_id(struct log_line *line, struct id id);                                /* id=… */
void log_num(struct log_line *line, const char *key, uint64_t value);
void log_seconds(struct log_line *line, const char *key, uint64_t microseconds); /* key=0.31 */
void log_span(struct log_line *line, const char *key, uint64_t microseconds);    /* key=15m: for people, s m h d */
void log_text(struct log_line *line, struct span text);                          /* "text", always quoted */
void log_end(struct log_line *line);

/* The common cases in one call: stage: event "text" */
void log_event(struct log *log, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* stage: error "what could not be done, to what: strerror(errno)" */
void log_errno(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
