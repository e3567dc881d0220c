/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mailbox on disk that is to be imported: a Maildir, with its subfolders (Maildir++) or without, or an mbox file (mboxrd; mboxo is read as well).  What lies in it may be
 * anybody's: names are never followed, only regular files are opened, messages of any size are read in pieces.  Others may go on using it meanwhile.
 */
#ifndef DEADDROP_IMAP_IMPORT_SOURCE_H
#define DEADDROP_IMAP_IMPORT_SOURCE_H

#include "deliver.h"
#include "import_fields.h"

#define IMPORT_FLAGS_MAX 64

enum import_state { IMPORT_WAITS, IMPORT_STORED, IMPORT_THERE, IMPORT_REFUSED, IMPORT_FAILED };

struct import_message {
	char *name;			/* Maildir: "cur/NAME" */
	off_t line, start, end;		/* mbox: where its From_ line, it and the next begin */
	uint64_t line_hash;		/* mbox: of its From_ line */
	uint64_t date;			/* microseconds; mbox: of the From_ line.  Maildir: of the file, known from the first reading on */
	enum import_state state;
	unsigned breaks;		/* connections that broke over it */
	/* what it is told by on a server, known once it was examined */
	bool examined, has_id;
	bool matched;			/* while they are compared */
	uint64_t size;			/* on the wire */
	unsigned char digest[IMPORT_DIGEST];
};

struct import_folder {
	struct import_folder *next;
	char *path;			/* for people */
	char *name;			/* below the folder that is the import's, UTF-8, "/" between levels; "" */
	int fd;				/* the Maildir's directory, or the file; open from import_source_list to import_source_close */
	char *directory;		/* of a subfolder, in the source's */
	struct import_message *messages;
	size_t count, room;
};

struct import_letter {			/* a message, read */
	struct deliver_job *job;	/* with arrival */
	char flags[IMPORT_FLAGS_MAX];
};

struct import_source {
	bool mbox;
	char *path;
	int fd;
	struct import_folder *folders;
	void (*skipped)(void *arg, const char *path, const char *name, const char *why);	/* what is not read, and why */
	void *arg;
};

/* Finds out what it is, and the folders of a Maildir.  0, or a sysexits code with error. */
int import_source_open(struct import_source *source, const char *path, bool subfolders, struct str *error);
void import_source_free(struct import_source *source);
/* The messages of a folder, in the order of their arrival.  0, or a sysexits code with error. */
int import_source_list(struct import_source *source, struct import_folder *folder, struct str *error);
void import_source_close(struct import_folder *folder);
/* Reads one; the job is the caller's.  0, or -1: what it is, is told by error ("" where it has gone). */
int import_source_read(struct import_source *source, struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error);

/* For the two kinds */
struct import_message *import_source_add(struct import_folder *folder);		/* zeroed; NULL: no memory, or too many */
int import_maildir_folders(struct import_source *source, struct str *error);
int import_maildir_list(struct import_source *source, struct import_folder *folder, struct str *error);
int import_maildir_read(struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error);
int import_mbox_list(struct import_folder *folder, struct str *error);
int import_mbox_read(struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error);
/* Appends a flag to the letter's. */
void import_source_flag(struct import_letter *letter, const char *flag);

#endif
