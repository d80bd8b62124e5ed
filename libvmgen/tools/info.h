/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* One look at the counter, and how it is shown. */
#ifndef VMGEN_INFO_H
#define VMGEN_INFO_H

#include "json.h"
#include "vmgen.h"

#define HEX_ID_SIZE	(2 * sizeof(((struct vmgen_info *)0)->instance_id) + 1)
#define GENERATION_SIZE	21

struct look {
	enum vmgen_status status;
	int error;		/* of vmgen_sync(), 0 when ACTIVE */
	struct vmgen_info info;	/* valid when ACTIVE */
};

void look(struct look *ret);

const char *status_name(enum vmgen_status status);
const char *status_meaning(enum vmgen_status status);
/* What to say behind the name of a device that may not be read; NULL: nothing. */
const char *denied_text(const char *node);
const char *backend_name(uint32_t backend);
/* Its device, or NULL. */
const char *backend_node(uint32_t backend);
/* Who counts, and when that is. */
const char *writer(const struct vmgen_info *info);
/* Returns NULL where the backend has no instance id. */
const char *hex_id(const struct vmgen_info *info, char hex[HEX_ID_SIZE]);
/* Decimal; NULL where a change was told, and there is no counter. */
const char *generation_text(const struct vmgen_info *info, char text[GENERATION_SIZE]);
/* The members of a JSON object. */
void json_info(struct json *j, const struct vmgen_info *info);

#endif /* VMGEN_INFO_H */
