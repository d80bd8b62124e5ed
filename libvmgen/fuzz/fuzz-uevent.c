/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A message of the uevent socket. */
#include "fuzz.h"

static int has(const char *p, size_t size, const char *what, size_t length)
{
	return memmem(p, size, what, length) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = size;
	char *p = take(&data, &size, size);
	uint64_t seqnum = UINT64_MAX;

	if (!vmgen_uevent_parse(p, length, &seqnum)) {
		MUST(seqnum == UINT64_MAX);
	} else {
		MUST(seqnum != 0 && seqnum != UINT64_MAX);
		MUST(p[length - 1] == 0 && !memcmp(p, "change@/", 8));
		MUST(has(p, length, "\0NEW_VMGENID=1", 15));
		MUST(has(p, length, "\0SEQNUM=", 8));
	}
	free(p);
	return 0;
}
