/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Size and fields of each structure that the bindings declare once more. */
#include <stddef.h>
#include <stdio.h>

#include "vmgen.h"

#define KIND(type) \
	printf("%s %zu\n", #type, sizeof(type))
#define FIELD(type, field) \
	printf("%s %zu %zu\n", #field, offsetof(type, field), sizeof(((type *)0)->field))

int main(void)
{
	KIND(vmgen_guard);
	FIELD(vmgen_guard, epoch);
	FIELD(vmgen_guard, last);
	FIELD(vmgen_guard, reason);
	FIELD(vmgen_guard, process);
	FIELD(vmgen_guard, flags);
	KIND(struct vmgen_info);
	FIELD(struct vmgen_info, generation);
	FIELD(struct vmgen_info, flags);
	FIELD(struct vmgen_info, instance_id);
	FIELD(struct vmgen_info, backend);
	FIELD(struct vmgen_info, reserved32);
	FIELD(struct vmgen_info, reserved);
	return 0;
}
