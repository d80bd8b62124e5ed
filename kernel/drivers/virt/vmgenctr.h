/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the VM Generation ID driver needs of the generation counter.
 */
#ifndef _DRIVERS_VIRT_VMGENCTR_H
#define _DRIVERS_VIRT_VMGENCTR_H

#include <linux/types.h>

struct device;
struct vmgenctr;

enum { VMGENID_SIZE = 16 };

#if IS_ENABLED(CONFIG_VMGENCTR)
struct vmgenctr *devm_vmgenctr_create(struct device *dev, const u8 *guid,
				      phys_addr_t guid_phys);
void vmgenctr_update(struct vmgenctr *ctr);
#else
static inline struct vmgenctr *devm_vmgenctr_create(struct device *dev,
						    const u8 *guid,
						    phys_addr_t guid_phys)
{
	return NULL;
}

static inline void vmgenctr_update(struct vmgenctr *ctr)
{
}
#endif

#endif /* _DRIVERS_VIRT_VMGENCTR_H */
