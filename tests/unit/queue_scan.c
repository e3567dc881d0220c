/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The start on a journal file that was cut at any byte, or has a wrong one: just the whole records' keys are learnt, and nothing else is touched. */
#include "queue_run.h"

#include "../../queue/scan.h"

enum { MESSAGES = 3 };

struct sample {
	struct run run;
	char name[ID_NAME_LEN + 1];
	char data[8192];
	size_t len;
	size_t ends[MESSAGES];		/* of the records */
};

static void read_sample(struct sample *sample)
{
	char path[300];
	DIR *dir;
	struct dirent *entry;
	struct id_name name;

	snprintf(path, sizeof path, "%s/journal", sample->run.dir);
	dir = opendir(path);
	while ((entry = readdir(dir))) {
		struct record record;
		size_t at = 0, n = 0, need;

		if (id_parse_name(span_of(entry->d_name), &name))
			continue;
		snprintf(path, sizeof path, "%s/journal/%.*s", sample->run.dir, ID_NAME_LEN, entry->d_name);
		int fd = open(path, O_RDONLY);
		ssize_t len = read(fd, sample->data, sizeof sample->data);
		close(fd);
		unlink(path);
		if (len <= 0 || !sample->data[0])
			continue;
		while (n < MESSAGES && record_read(sample->data + at, (size_t)len - at, &record, &need) == RECORD_WHOLE)
			sample->ends[n++] = at += record.header_len + record.body_len;
		assert_int_equal(n, MESSAGES);
		snprintf(sample->name, sizeof sample->name, "%.*s", ID_NAME_LEN, entry->d_name);
		sample->len = at;
	}
	closedir(dir);
	assert_true(sample->len > 0);
}

static int setup(void **state)
{
	static struct sample sample;
	struct str frames = STR_INIT(10000);
	struct client *c;
	char key[33];

	/* thousands of starts, each of which syncs: in memory where there is such a place */
	run_setup(&sample.run, access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	run_start(&sample.run, "--idle-close", "60000", NULL);
	c = client_new(&sample.run, "in.ctrl");
	for (unsigned i = 0; i < MESSAGES; i++)
		put_message(&frames, key_text(i, key), "Subject: x\n\n%deaddrop 1 looks like one\n");
	client_send(c, &frames);
	for (unsigned i = 0; i < MESSAGES; i++)
		expect(c, "K");
	client_free(c);
	(void)run_stop(&sample.run, SIGKILL);
	read_sample(&sample);
	*state = &sample;
	return 0;
}

static int teardown(void **state)
{
	struct sample *sample = *state;

	run_cleanup(&sample->run);
	return 0;
}

/* Which keys are known after a start with this as the journal's only file; the file is there afterwards as it was, or gone. */
static unsigned learnt(struct sample *sample, const char *data, size_t len, bool *there)
{
	char path[200], journal[100], key[33];
	struct str error = STR_INIT(1000);
	struct scan scan = { .now = 1 };
	struct keys_key parsed;
	int dir, lock, null = open("/dev/null", O_WRONLY);
	unsigned bits = 0;
	struct stat st;

	snprintf(journal, sizeof journal, "%s/journal", sample->run.dir);
	snprintf(path, sizeof path, "%s/%s", journal, sample->name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, data, len), len);
	scan.keys = keys_new(100, 1000);
	scan.log = log_new("queue", LOG_FILE, null);
	assert_int_equal(scan_open(journal, &dir, &lock, &error), 0);
	assert_int_equal(scan_journal(&scan, dir, &error), 0);
	for (unsigned i = 0; i < MESSAGES; i++) {
		assert_int_equal(keys_parse(span_of(key_text(i, key)), &parsed), 0);
		struct keys_entry *entry = keys_find(scan.keys, parsed);
		if (entry) {
			assert_int_equal(entry->id.index, i);
			bits |= 1U << i;
		}
	}
	*there = !stat(path, &st);
	if (*there) {
		static char again[sizeof sample->data];

		assert_int_equal(st.st_size, len);
		assert_int_equal(pread(fd, again, len, 0), len);
		assert_memory_equal(again, data, len);
	}
	close(fd);
	close(dir);
	close(lock);
	log_free(scan.log);
	close(null);
	keys_free(scan.keys);
	str_free(&error);
	return bits;
}

static void cut_anywhere(void **state)
{
	struct sample *sample = *state;
	bool there;

	for (size_t cut = 0; cut <= sample->len; cut++) {
		unsigned wanted = 0;

		for (unsigned i = 0; i < MESSAGES; i++)
			wanted |= cut >= sample->ends[i] ? 1U << i : 0;
		assert_int_equal(learnt(sample, sample->data, cut, &there), wanted);
		assert_int_equal(there, cut > 0);
	}
}

static void nuls_after_anywhere(void **state)
{
	struct sample *sample = *state;
	static char data[16384];
	bool there;

	for (size_t cut = 0; cut <= sample->len; cut += 7) {
		unsigned wanted = 0;

		memset(data, 0, sizeof data);
		memcpy(data, sample->data, cut);
		for (unsigned i = 0; i < MESSAGES; i++)
			wanted |= cut >= sample->ends[i] ? 1U << i : 0;
		assert_int_equal(learnt(sample, data, sizeof sample->data, &there), wanted);
		assert_int_equal(there, cut > 0);
	}
}

/* A wrong byte anywhere: all is learnt but its own record. */
static void wrong_byte_anywhere(void **state)
{
	struct sample *sample = *state;
	static char data[sizeof sample->data];
	bool there;

	for (size_t at = 0; at < sample->len; at++) {
		unsigned bits, record = 0;

		while (at >= sample->ends[record])
			record++;
		memcpy(data, sample->data, sample->len);
		data[at] ^= 0x11;
		bits = learnt(sample, data, sample->len, &there);
		assert_true(there);
		assert_int_equal(bits, ((1U << MESSAGES) - 1) & ~(1U << record));
	}
}

static void finished_files_are_passed_over(void **state)
{
	struct sample *sample = *state;
	struct str data = STR_INIT(20000);
	struct record record;
	size_t need;
	bool there;

	assert_int_equal(record_read(sample->data, sample->len, &record, &need), RECORD_WHOLE);
	assert_int_equal(str_append(&data, sample->data, sample->len), 0);
	assert_int_equal(record_end_mark(&data, record.mark, sample->len), 0);
	assert_int_equal(learnt(sample, data.data, data.len, &there), 0);
	assert_true(there);
	str_free(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(nuls_after_anywhere),
		cmocka_unit_test(wrong_byte_anywhere),
		cmocka_unit_test(finished_files_are_passed_over),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
