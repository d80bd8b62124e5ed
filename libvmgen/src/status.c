/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the library tells about itself.  Each answer comes from a fresh check. */
#include "lib.h"

int vmgen_sync(struct vmgen_info *ret)
{
	struct reading now;
	int saved = errno;
	int r = vmgen_source_sync(&now);

	/* No record is left for this generation, and there is no way to get more. */
	if (r == 0 && vmgen_sealed() && !vmgen_record_get(now.source, now.word))
		r = -ENOSPC;
	if (r == 0 && ret)
		*ret = now.info;
	errno = saved;
	return r;
}

int vmgen_open(void)
{
	/* It is mapped at first use, which may be in a sandbox. */
	(void)vmgen_process();
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
