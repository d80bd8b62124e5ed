/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the library tells about itself.  Each answer comes from a fresh check. */
#include "lib.h"

/* Without a record for this generation a guard would not see that it ends. */
static int sync_with_room(struct reading *now)
{
	int i, r = 0;

	for (i = 0; i < 2; i++) {
		r = vmgen_source_sync(now);
		if (r < 0 || vmgen_record_room(now->source, now->word))
			return r;
		if (vmgen_source_refill(now->source) < 0)
			break;
	}
	return -ENOSPC;
}

int vmgen_sync(struct vmgen_info *ret)
{
	struct reading now;
	int saved = errno;
	int r = sync_with_room(&now);

	if (r == 0 && ret)
		*ret = now.info;
	errno = saved;
	return r;
}

int vmgen_open(void)
{
	return vmgen_sync(NULL);
}

enum vmgen_status vmgen_status(void)
{
	switch (vmgen_sync(NULL)) {
	case 0:
		return VMGEN_ACTIVE;
	case -ENODATA:
		return VMGEN_NOTIFY_ONLY;
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return VMGEN_ABSENT;
	case -EACCES:
	case -EPERM:
		return VMGEN_DENIED;
	default:
		return VMGEN_BROKEN;
	}
}
