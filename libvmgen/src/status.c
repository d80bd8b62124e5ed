/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the library tells about itself.  Each answer comes from a fresh check. */
#include "lib.h"

int vmgen_sync(struct vmgen_info *ret)
{
	const vmgen_word *record;
	struct reading now;
	int saved = errno;
	/* All that a guard needs: without a record for this generation it sees no change. */
	int r = vmgen_epoch_read(&now, &record);

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
