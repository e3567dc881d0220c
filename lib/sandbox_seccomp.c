/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The filter: a classic BPF program over struct seccomp_data {number, architecture, instruction pointer, six arguments}, made from the tables at run time.
 * A call's block is "is it this number", then instructions that all end in a return, so that blocks follow each other without further jumps.
 */
#include "sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE 0xc000003eU	/* 64 bits, little-endian, ELF machine 62 */
#define OTHER_NUMBERS 0x40000000U	/* x32: the same architecture word, numbers with this bit */
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE 0xc00000b7U	/* machine 183 */
#define OTHER_NUMBERS 0x40000000U	/* none; far above all */
#endif

#ifdef ARCHITECTURE

/* Classic BPF, as far as it is used */
#define LOAD 0x20		/* a word of the data at an offset */
#define IF_EQUAL 0x15
#define IF_AT_LEAST 0x35
#define IF_ANY_BIT 0x45
#define RETURN 0x06

#define RETURN_ALLOW 0x7fff0000U
#define RETURN_LOG 0x7ffc0000U
#define RETURN_ERRNO(number) (0x00050000U | (uint32_t)(number))
#define RETURN_KILL_PROCESS 0x80000000U

#define AT_NUMBER 0
#define AT_ARCHITECTURE 4
#define AT_ARGUMENT(n) (16 + 8 * (n))		/* its low word */

#define FILTER_MODE 1U		/* seccomp(2): set a filter */
#define FILTER_ALL_THREADS 1U

#define INSTRUCTIONS_MAX 1024
#define CLONE_ANY_NAMESPACE 0x7e020000U
#define CLONE_AS_THREAD 0x00010000U
#define PRCTL_NAME_MEMORY 0x53564d41U

struct instruction { uint16_t code; uint8_t yes, no; uint32_t k; };

struct program {
	struct instruction code[INSTRUCTIONS_MAX];
	size_t len;
	bool full;			/* sticky */
	bool log;			/* every refusal is a line in the kernel's log instead */
	unsigned needs;
};

static void put(struct program *p, unsigned code, uint32_t k, size_t yes, size_t no)
{
	if (p->len == INSTRUCTIONS_MAX || yes > UINT8_MAX || no > UINT8_MAX) {
		p->full = true;
		return;
	}
	p->code[p->len++] = (struct instruction){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, k };
}

static void put_return(struct program *p, uint32_t action)
{
	put(p, RETURN, p->log && action != RETURN_ALLOW ? RETURN_LOG : action, 0, 0);
}

static void put_argument(struct program *p, unsigned n)
{
	put(p, LOAD, AT_ARGUMENT(n), 0, 0);
}

/* Allowed where the loaded word is one of the values, else the other action. */
static void put_one_of(struct program *p, const uint32_t *values, size_t count, uint32_t otherwise)
{
	for (size_t i = 0; i < count; i++)
		put(p, IF_EQUAL, values[i], count - i, 0);
	put_return(p, otherwise);
	put_return(p, RETURN_ALLOW);
}

/* The rules.  Each emits what follows the match of the number. */

static void rule_allow(struct program *p)
{
	put_return(p, RETURN_ALLOW);
}

static void rule_kill(struct program *p)
{
	put_return(p, (p->needs & SANDBOX_NAMES) != 0 ? RETURN_ERRNO(EPERM) : RETURN_KILL_PROCESS);
}

static void rule_refuse(struct program *p)
{
	put_return(p, RETURN_ERRNO(EPERM));
}

static void rule_identity(struct program *p)
{
	put_return(p, (p->needs & (SANDBOX_CHILDREN | SANDBOX_NAMES)) != 0 ? RETURN_ERRNO(EPERM) : RETURN_KILL_PROCESS);
}

static void put_reading(struct program *p, unsigned n)
{
	put_argument(p, n);
	put(p, IF_ANY_BIT, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1);
	put_return(p, RETURN_ERRNO(EACCES));
	put_return(p, RETURN_ALLOW);
}

static void rule_openat_reading(struct program *p)
{
	put_reading(p, 2);
}

static void rule_open_reading(struct program *p)
{
	put_reading(p, 1);
}

/* A library is a file.  What was written into memory is never executed. */
static void rule_file_executable(struct program *p)
{
	put_argument(p, 2);
	put(p, IF_ANY_BIT, PROT_EXEC, 0, 3);
	put_argument(p, 3);
	put(p, IF_ANY_BIT, MAP_ANONYMOUS, 0, 1);
	put_return(p, RETURN_ERRNO(EACCES));
	put_return(p, RETURN_ALLOW);
}

static void rule_sigkill(struct program *p)
{
	static const uint32_t known[] = { SIGKILL };

	put_argument(p, 1);
	put_one_of(p, known, 1, RETURN_ERRNO(EPERM));
}

static void rule_not_executable(struct program *p)
{
	put_argument(p, 2);
	put(p, IF_ANY_BIT, PROT_EXEC, 0, 1);
	put_return(p, RETURN_ERRNO(EACCES));
	put_return(p, RETURN_ALLOW);
}

static void rule_ioctl(struct program *p)
{
	static const uint32_t known[] = { FIONREAD, FIONBIO, TCGETS, TIOCGWINSZ, SIOCGIFINDEX, SIOCGIFNAME };
	size_t count = sizeof known / sizeof known[0];

	/* the last two: of an interface, behind the % of an address */
	put_argument(p, 1);
	put_one_of(p, known, (p->needs & SANDBOX_NAMES) != 0 ? count : count - 2, RETURN_ERRNO(ENOTTY));
}

static void rule_socket(struct program *p)
{
	uint32_t families[4];
	size_t count = 0;

	if ((p->needs & SANDBOX_UNIX) != 0)
		families[count++] = AF_UNIX;
	if ((p->needs & SANDBOX_INET) != 0) {
		families[count++] = AF_INET;
		families[count++] = AF_INET6;
	}
	if ((p->needs & SANDBOX_NAMES) != 0)
		families[count++] = AF_NETLINK;
	if ((p->needs & SANDBOX_CHILDREN) != 0) {
		put_return(p, RETURN_ALLOW);
		return;
	}
	put_argument(p, 0);
	put_one_of(p, families, count, RETURN_ERRNO(EAFNOSUPPORT));
}

static void rule_pair(struct program *p)
{
	static const uint32_t family[] = { AF_UNIX };

	put_argument(p, 0);
	put_one_of(p, family, 1, RETURN_ERRNO(EAFNOSUPPORT));
}

static void rule_clone(struct program *p)
{
	put_argument(p, 0);
	put(p, IF_ANY_BIT, CLONE_ANY_NAMESPACE, 0, 1);
	put_return(p, RETURN_KILL_PROCESS);
	if ((p->needs & (SANDBOX_CHILDREN | SANDBOX_NAMES)) == 0) {
		put(p, IF_ANY_BIT, (p->needs & SANDBOX_THREADS) != 0 ? CLONE_AS_THREAD : 0, 1, 0);
		put_return(p, RETURN_ERRNO(EPERM));
	}
	put_return(p, RETURN_ALLOW);
}

/* The new limit is a pointer: NULL in both words. */
static void rule_limit(struct program *p)
{
	put_argument(p, 0);
	put(p, IF_EQUAL, 0, 0, 5);
	put_argument(p, 2);
	put(p, IF_EQUAL, 0, 0, 3);
	put(p, LOAD, AT_ARGUMENT(2) + 4, 0, 0);
	put(p, IF_EQUAL, 0, 0, 1);
	put_return(p, RETURN_ALLOW);
	put_return(p, RETURN_ERRNO(EPERM));
}

static void rule_self(struct program *p)
{
	const uint32_t own[] = { (uint32_t)getpid() };

	put_argument(p, 0);
	put_one_of(p, own, 1, RETURN_ERRNO(EPERM));
}

static void rule_prctl(struct program *p)
{
	static const uint32_t known[] = { PR_SET_NAME, PR_GET_NAME, PRCTL_NAME_MEMORY, PR_GET_NO_NEW_PRIVS, PR_GET_DUMPABLE, PR_GET_SECCOMP };

	put_argument(p, 0);
	put_one_of(p, known, sizeof known / sizeof known[0], RETURN_ERRNO(EPERM));
}

static void (*const rules[SANDBOX_RULES])(struct program *p) = {
	[SANDBOX_ALLOW] = rule_allow, [SANDBOX_KILL] = rule_kill, [SANDBOX_REFUSE] = rule_refuse, [SANDBOX_IDENTITY] = rule_identity, [SANDBOX_NOT_EXECUTABLE] = rule_not_executable,
	[SANDBOX_OPENAT_READING] = rule_openat_reading, [SANDBOX_OPEN_READING] = rule_open_reading, [SANDBOX_FILE_EXECUTABLE] = rule_file_executable,
	[SANDBOX_SIGKILL] = rule_sigkill,
	[SANDBOX_IOCTL] = rule_ioctl, [SANDBOX_SOCKET] = rule_socket, [SANDBOX_PAIR] = rule_pair, [SANDBOX_CLONE] = rule_clone,
	[SANDBOX_LIMIT] = rule_limit, [SANDBOX_SELF] = rule_self, [SANDBOX_PRCTL] = rule_prctl,
};

/* A block that loads an argument returns, so that the accumulator still holds the number where the next call is tested. */
static void put_call(struct program *p, int number, enum sandbox_rule rule)
{
	size_t test = p->len;

	put(p, IF_EQUAL, (uint32_t)number, 0, 0);
	rules[rule](p);
	if (!p->full && p->len - test - 1 <= UINT8_MAX)
		p->code[test].no = (uint8_t)(p->len - test - 1);
	else
		p->full = true;
}

static void put_calls(struct program *p)
{
	for (size_t i = 0; i < sandbox_calls_count; i++) {
		const struct sandbox_group *group = &sandbox_calls[i];

		if (group->needs != 0 && (group->needs & p->needs) == 0)
			continue;
		for (size_t k = 0; k < group->count; k++)
			put_call(p, group->calls[k], group->rule);
	}
}

static void build(struct program *p)
{
	put(p, LOAD, AT_ARCHITECTURE, 0, 0);
	put(p, IF_EQUAL, ARCHITECTURE, 1, 0);
	put_return(p, RETURN_KILL_PROCESS);
	put(p, LOAD, AT_NUMBER, 0, 0);
	put(p, IF_AT_LEAST, OTHER_NUMBERS, 0, 1);
	put_return(p, RETURN_KILL_PROCESS);
	put_calls(p);
	put_return(p, (p->needs & SANDBOX_CHILDREN) != 0 ? RETURN_ALLOW : RETURN_ERRNO(ENOSYS));
}

int sandbox_seccomp_enter(enum sandbox_mode mode, unsigned needs, struct str *error)
{
	struct program program = { .log = mode == SANDBOX_LOG, .needs = needs };
	struct { unsigned short len; const struct instruction *code; } loaded;
	long result;

	build(&program);
	if (program.full) {
		(void)str_add(error, "seccomp: the filter is too long");
		return -1;
	}
	loaded.len = (unsigned short)program.len;
	loaded.code = program.code;
	result = syscall(SYS_seccomp, FILTER_MODE, FILTER_ALL_THREADS, &loaded);
	if (result == 0)
		return 0;
	(void)str_printf(error, "seccomp: %s", result > 0 ? "a thread has a filter of its own" : strerror(errno));
	return -1;
}

bool sandbox_has_seccomp(void)
{
	return true;
}

#else

int sandbox_seccomp_enter(enum sandbox_mode mode, unsigned needs, struct str *error)
{
	(void)mode;
	(void)needs;
	(void)error;
	return 0;
}

bool sandbox_has_seccomp(void)
{
	return false;
}

#endif
