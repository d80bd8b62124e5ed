/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The first eight bytes of the page of /dev/sysgenid. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t *p = take(&data, &size, 8);
	struct page page = { 1, 1 };
	uint64_t word;
	int r;

	memcpy(&word, p, sizeof(word));
	r = vmgen_sysgenid_word(word, &page);
	MUST(r == 0 || r == -EBADMSG);
	MUST((r == 0) == (p[1] == 0));
	if (r < 0)
		MUST(page.generation == 1);
	else
		MUST(page.generation == p[0] && page.flags == 0);
	free(p);
	return 0;
}
