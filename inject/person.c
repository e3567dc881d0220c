/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "person.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

int person_full_name(struct str *out, struct span gecos, struct span login)
{
	size_t i;
	int r = 0;

	for (i = 0; i < gecos.len && gecos.data[i] != ','; i++) {
		char c = gecos.data[i];

		if (c != '&') {
			r |= str_add_char(out, c);
		} else if (login.len > 0) {
			char first = login.data[0];

			r |= str_add_char(out, first >= 'a' && first <= 'z' ? (char)(first - 'a' + 'A') : first);
			r |= str_add_span(out, span_skip(login, 1));
		}
	}
	return r;
}

/*
 * Looks into the file before it asks the name service: that costs four system calls instead of twenty, more where a daemon of its own must be asked, and finds nearly
 * everybody who sends mail.
 */
static struct passwd *find_account(uid_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *pw = NULL;

	if (file) {
		do
			pw = fgetpwent(file);
		while (pw && (pw->pw_uid != uid || pw->pw_name[0] == '+' || pw->pw_name[0] == '-'));
		fclose(file);
	}
	return pw ? pw : getpwuid(uid);
}

static int put_login(struct str *login, const struct passwd *pw)
{
	return pw && pw->pw_name[0] != '\0' ? str_add(login, pw->pw_name) : str_printf(login, "uid%lu", (unsigned long)getuid());
}

int person_home(struct str *login, struct str *home)
{
	struct passwd *pw = find_account(getuid());

	if (put_login(login, pw) < 0)
		return -1;
	return pw && pw->pw_dir ? str_add(home, pw->pw_dir) : 0;
}

int person_find(struct str *login, struct str *full_name)
{
	struct passwd *pw = find_account(getuid());

	if (put_login(login, pw) < 0)
		return -1;
	if (!pw || pw->pw_name[0] == '\0')
		return 0;
	return person_full_name(full_name, span_of(pw->pw_gecos ? pw->pw_gecos : ""), span_of(pw->pw_name));
}
