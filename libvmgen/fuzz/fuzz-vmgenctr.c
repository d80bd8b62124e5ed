/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The two pages of /dev/vmgenctr: the input is one behind the other. */
#include <endian.h>

#include <linux/vmgenctr.h>

#include "fuzz.h"

static void generation(const struct vmgenctr_generation_page *p, struct page *page)
{
	int r = vmgen_page_generation(p, page);

	MUST(r == 0 || r == -EAGAIN || r == -EBADMSG);
	if (r < 0) {
		MUST(page->generation == 1 && page->flags == 1);
		return;
	}
	MUST(le32toh(p->magic) == VMGENCTR_GENERATION_MAGIC);
	MUST(le32toh(p->size) >= sizeof(*p) && le16toh(p->version) == VMGENCTR_VERSION);
	MUST(!(le32toh(p->seq_count) & 1));
	MUST(page->generation == le64toh(p->generation));
	MUST(page->flags == le64toh(p->flags));
}

static void status(const struct vmgenctr_status_page *p, uint64_t wanted)
{
	struct vmgen_info info;
	int r;

	memset(&info, 0x5a, sizeof(info));
	r = vmgen_page_status(p, wanted, &info);
	MUST(r == 0 || r == -EAGAIN || r == -EBADMSG);
	if (r < 0) {
		MUST(info.generation == UINT64_C(0x5a5a5a5a5a5a5a5a));
		return;
	}
	MUST(p->magic == VMGENCTR_STATUS_MAGIC && p->size >= sizeof(*p));
	MUST(!(p->seq_count & 1) && p->ready_generation == wanted);
	MUST(p->flags & VMGENCTR_STATUS_F_CRNG_RESEEDED);
	MUST(info.generation == wanted && info.flags == VMGEN_INFO_CRNG_RESEEDED);
	MUST(!memcmp(info.instance_id, p->instance_id, 16));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmgenctr_generation_page *g = take(&data, &size, sizeof(*g));
	struct vmgenctr_status_page *s = take(&data, &size, sizeof(*s));
	struct page page = { 1, 1 };

	generation(g, &page);
	status(s, page.generation);
	free(g);
	free(s);
	return 0;
}
