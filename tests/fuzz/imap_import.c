/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libFuzzer: any bytes as an mbox file that is imported: messages lie in it one behind the other, and each can be read; as dates; and as a header. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../imap/body.h"
#include "../../imap/import_date.h"
#include "../../imap/import_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(struct import_source *source, struct import_folder *folder, struct import_message *message)
{
	struct str error = STR_INIT(1000);
	struct import_letter letter;
	struct body body;

	if (import_source_read(source, folder, message, &letter, &error) < 0 || body_open(&body, letter.job) < 0)
		abort();
	if (deliver_job_size(letter.job) > (uint64_t)(message->end - message->start))
		abort();
	deliver_job_free(letter.job);
	str_free(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_source source = { .mbox = true, .fd = memfd_create("mbox", MFD_CLOEXEC) };
	struct import_folder folder = { .fd = -1, .path = (char[]){ "mbox" } };
	struct span bytes = { (const char *)data, size };
	struct str error = STR_INIT(1000);
	unsigned char digest[IMPORT_DIGEST];
	uint64_t date;
	bool has_id;

	if (source.fd < 0 || write(source.fd, data, size) != (ssize_t)size)
		abort();
	if (!import_source_list(&source, &folder, &error))
		for (size_t i = 0; i < folder.count; i++) {
			if (folder.messages[i].end < folder.messages[i].start || (i && folder.messages[i].line != folder.messages[i - 1].end))
				abort();
			read_one(&source, &folder, &folder.messages[i]);
		}
	import_source_close(&folder);
	close(source.fd);
	import_date_read(bytes, &date);
	import_date_from_line(bytes, &date);
	if (import_fields_digest(bytes, digest, &has_id) < 0)
		abort();
	str_free(&error);
	return 0;
}
