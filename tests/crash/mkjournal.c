/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes a journal file as queue would, for tests of recovery: mkjournal [-e] [-m MARK] [-s SENDER] JOURNAL-DIR BODY…
 * Each BODY is a file with a message. Prints the file's name, the offset of each record and the length.
 *   -e       close it with an end mark
 *   -m MARK  16 hexadecimal digits, instead of random ones
 *   -s SENDER  instead of sender@example.org; may be empty
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "record.h"

static void must(int result, const char *what)
{
	if (result != 0)
		err(EX_SOFTWARE, "%s", what);
}

static void read_file(struct str *out, const char *path)
{
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "r");

	if (f == NULL)
		err(EX_NOINPUT, "%s", path);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		must(str_append(out, chunk, n), path);
	fclose(f);
}

static void add_record(struct str *file, uint64_t mark, struct id id, const char *sender, const char *body_path)
{
	struct envelope envelope;
	struct str body = STR_INIT(1U << 20);
	struct record_header header = { .mark = mark, .id = id, .arrival = id.name.usec, .committed = file->len,
		.key = span_of("-"), .origin = span_of("test"), .uid = getuid(), .pid = 4242, .envelope = &envelope };

	read_file(&body, body_path);
	envelope_init(&envelope, 4096);
	must(envelope_set_sender(&envelope, span_of(sender)), "sender");
	must(envelope_add_recipient(&envelope, span_of("reader@example.org")), "recipient");
	must(record_build(file, &header, body.len, crc32c(record_body_crc(mark), body.data, body.len)), "record");
	must(str_append(file, body.data, body.len), "body");
	envelope_free(&envelope);
	str_free(&body);
}

int main(int argc, char **argv)
{
	struct str file = STR_INIT(64U << 20);
	struct str path = STR_INIT(4096);
	struct id id = { .index = 0 };
	char name[ID_NAME_LEN + 1];
	uint64_t mark = 0;
	const char *sender = "sender@example.org";
	int option, end = 0;
	FILE *out;

	must(id_random(&mark, sizeof mark), "random");
	while ((option = getopt(argc, argv, "em:s:")) != -1) {
		if (option == 'e')
			end = 1;
		else if (option == 's')
			sender = optarg;
		else if (option != 'm' || span_hex(span_of(optarg), UINT64_MAX, &mark) != 0)
			errx(EX_USAGE, "usage: mkjournal [-e] [-m MARK] [-s SENDER] JOURNAL-DIR BODY...");
	}
	if (argc - optind < 2)
		errx(EX_USAGE, "usage: mkjournal [-e] [-m MARK] [-s SENDER] JOURNAL-DIR BODY...");
	must(id_new_name(0, &id.name), "name");
	id_name_text(id.name, name);
	printf("%s", name);
	for (int i = optind + 1; i < argc; i++, id.index++) {
		printf(" %zu", file.len);
		add_record(&file, mark, id, sender, argv[i]);
	}
	printf(" %zu\n", file.len);
	if (end)
		must(record_end_mark(&file, mark, file.len), "end mark");
	must(str_printf(&path, "%s/%s", argv[optind], name), "path");
	out = fopen(path.data, "wx");
	if (out == NULL || fwrite(file.data, 1, file.len, out) != file.len || fclose(out) != 0)
		err(EX_CANTCREAT, "%s", path.data);
	str_free(&file);
	str_free(&path);
	return 0;
}
