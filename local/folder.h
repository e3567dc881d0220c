/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The directories of Maildirs: made where they are missing, kept open for a while (64 of them, the least used goes), looked at anew once a batch.
 * Below the drop's root every step is made by descriptor and follows no link.
 */
#ifndef DEADDROP_LOCAL_FOLDER_H
#define DEADDROP_LOCAL_FOLDER_H

#include "drop.h"

#define FOLDER_CACHE_MAX 64

struct folder {
	const struct drop *drop;	/* NULL: this place in the cache is free */
	struct str name;		/* ".lists.x", or empty for the root itself */
	int base, tmp, new;		/* descriptors of the folder and its two directories */
	dev_t device;			/* of new */
	ino_t inode;
	bool give_group;		/* files have to be given the drop's group: it is not inherited */
	bool in_use;			/* by the batch in hand */
	bool seen;			/* found to be still where it was, in this batch */
	bool dirty;			/* something was put into new that is not synced: it stays in use */
	int sync_error;			/* of the sync of new, 0 or an errno */
	uint64_t used;			/* when, in the cache's own count */
};

struct folder_cache;

enum folder_result {
	FOLDER_OPEN,			/* *folder is in use now */
	FOLDER_BUSY,			/* the batch in hand uses as many as there may be: finish it first */
	FOLDER_FAILED			/* why says it */
};

struct folder_cache *folder_cache_new(void);
void folder_cache_free(struct folder_cache *cache);
enum folder_result folder_get(struct folder_cache *cache, const struct drop *drop, struct span target, struct folder **folder, struct outcome *why);
/* It is not what it was (its directories are gone): the next folder_get opens it anew. */
void folder_forget(struct folder *folder);
/* Those that are dirty.  Who has synced new of them sets sync_error, and dirty to false. */
size_t folder_dirty(struct folder_cache *cache, struct folder *folders[static FOLDER_CACHE_MAX]);
/* Ends the batch: none but the dirty ones is in use. */
void folder_release(struct folder_cache *cache);
/* Between batches: closes those that were not used since the last call, so that nobody is kept from unmounting them.  True: some are left. */
bool folder_sweep(struct folder_cache *cache);

/* Opens a directory path, making what is missing with the drop's mode and group, synced with its parents.  A descriptor or -1. */
int folder_make_root(const char *path, const struct drop *drop, const struct drop_owner *owner);
/* The same for a directory below an open one; no link is followed. */
int folder_make(int dir, const char *name, const struct drop *drop, const struct drop_owner *owner);

#endif
