/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "recipients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "envelope.h"

#define SLOTS_FIRST 64

void recipients_init(struct recipients *set)
{
	*set = (struct recipients){ .text = STR_INIT(RECIPIENTS_BYTES_MAX) };
}

void recipients_free(struct recipients *set)
{
	str_free(&set->text);
	free(set->slots);
	recipients_init(set);
}

static bool is_same(struct span a, struct span b)
{
	struct span local_a, domain_a, local_b, domain_b;
	bool at_a = address_split(a, &local_a, &domain_a), at_b = address_split(b, &local_b, &domain_b);

	if (at_a != at_b || !span_equal(local_a, local_b))
		return false;
	return !at_a || (domain_a.len == domain_b.len && strncasecmp(domain_a.data, domain_b.data, domain_a.len) == 0);
}

/* Case is folded for all of it: addresses that differ in the local part's case share a slot, no more. */
static uint64_t
hash(struct span address)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < address.len; i++)
		h = (h ^ ((unsigned char)address.data[i] | 0x20U)) * UINT64_C(1099511628211);
	return h;
}

static struct span address_at(const struct recipients *set, uint32_t slot)
{
	const char *start = set->text.data + slot - 1;
	const char *end = memchr(start, '\n', set->text.len - (slot - 1));

	return (struct span){ start, (size_t)(end - start) };
}

/* The slot that holds address, or the free one where it belongs. */
static uint32_t *
find(const struct recipients *set, struct span address)
{
	size_t i = (size_t)hash(address) & (set->slot_count - 1);

	while (set->slots[i] != 0 && !is_same(address_at(set, set->slots[i]), address))
		i = (i + 1) & (set->slot_count - 1);
	return &set->slots[i];
}

static int grow(struct recipients *set)
{
	struct recipients larger = *set;
	struct span rest = str_span(&set->text), address;

	larger.slot_count = set->slot_count ? set->slot_count * 2 : SLOTS_FIRST;
	larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
	if (!larger.slots)
		return -1;
	while (recipients_next(&rest, &address))
		*find(&larger, address) = (uint32_t)(address.data - set->text.data) + 1;
	free(set->slots);
	*set = larger;
	return 0;
}

int recipients_add(struct recipients *set, struct span address)
{
	uint32_t *slot;
	size_t at = set->text.len;

	if (address.len == 0 || !address_is_valid(address, true)) {
		errno = EINVAL;
		return -1;
	}
	if ((set->count + 1) * 2 > set->slot_count && grow(set) < 0)
		return -1;
	slot = find(set, address);
	if (*slot != 0)
		return 0;
	if (str_reserve(&set->text, address.len + 1) < 0)
		return -1;
	str_add_span(&set->text, address);
	str_add_char(&set->text, '\n');
	*slot = (uint32_t)at + 1;
	set->count++;
	return 0;
}

bool recipients_has(const struct recipients *set, struct span address)
{
	return set->count > 0 && *find(set, address) != 0;
}

bool recipients_next(struct span *rest, struct span *address)
{
	return span_word(rest, '\n', address);
}
