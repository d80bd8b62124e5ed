/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The page of /dev/vmclock0. */
#include <endian.h>

#include "fuzz.h"
#include "vmclock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmclock_page *p = take(&data, &size, sizeof(*p));
	struct page page = { 1, 1 };
	int r = vmgen_vmclock_page(p, &page);

	MUST(r == 0 || r == -ENODEV || r == -EBADMSG || r == -EIO);
	if (r < 0) {
		MUST(page.generation == 1 && page.flags == 1);
	} else {
		MUST(le32toh(p->magic) == VMCLOCK_MAGIC);
		MUST(le32toh(p->size) >= sizeof(*p));
		MUST(le16toh(p->version) == VMCLOCK_VERSION);
		MUST(!(le32toh(p->seq_count) & 1));
		MUST(le64toh(p->flags) & VMCLOCK_F_COUNTER);
		MUST(page.generation == le64toh(p->generation));
	}
	free(p);
	return 0;
}
