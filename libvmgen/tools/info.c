/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "info.h"
#include "machine.h"

/* A counter that appears or goes between the two calls is looked at again. */
#define LOOKS	16

void look(struct look *ret)
{
	int i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < LOOKS; i++) {
		ret->error = vmgen_sync(&ret->info);
		ret->status = ret->error ? vmgen_status() : VMGEN_ACTIVE;
		if (!ret->error || ret->status != VMGEN_ACTIVE)
			return;
	}
	ret->status = VMGEN_BROKEN;
}

static const struct {
	const char *name, *meaning;
} statuses[] = {
	[VMGEN_ACTIVE] = { "ACTIVE", "there is a counter, and it was just checked" },
	[VMGEN_NOTIFY_ONLY] = { "NOTIFY_ONLY", "changes are told late, and there is no counter to check" },
	[VMGEN_ABSENT] = { "ABSENT", "this machine has no counter, or none that is visible here" },
	[VMGEN_DENIED] = { "DENIED", "there is a device that this user may not open, and it may have a counter" },
	[VMGEN_BROKEN] = { "BROKEN", "there is a counter that cannot be trusted" },
};

const char *status_name(enum vmgen_status status)
{
	return statuses[status].name;
}

const char *status_meaning(enum vmgen_status status)
{
	return statuses[status].meaning;
}

const char *denied_text(const char *node)
{
	if (!node)
		return "";
	return device_counts(node) ? ", which this user may not open" :
	       ", which this user may not open; whether it has a counter is not known";
}

static const struct {
	const char *name, *node;
} backends[] = {
	[VMGEN_BACKEND_NONE] = { "none", NULL },
	[VMGEN_BACKEND_VMGENCTR] = { "vmgenctr", "/dev/vmgenctr" },
	[VMGEN_BACKEND_VMCLOCK] = { "vmclock", "/dev/vmclock0" },
	[VMGEN_BACKEND_SYSGENID] = { "sysgenid", "/dev/sysgenid" },
	[VMGEN_BACKEND_UEVENT] = { "uevent", NULL },
	[VMGEN_BACKEND_TEST] = { "test", NULL },
};

#define N_BACKENDS	(sizeof(backends) / sizeof(backends[0]))

/* A library that is newer than this program may know more of them. */
const char *backend_name(uint32_t backend)
{
	return backend < N_BACKENDS ? backends[backend].name : "unknown";
}

const char *backend_node(uint32_t backend)
{
	return backend < N_BACKENDS ? backends[backend].node : NULL;
}

const char *writer(const struct vmgen_info *info)
{
	if (info->flags & VMGEN_INFO_HYPERVISOR)
		return "the hypervisor, before a restored machine runs";
	if (info->backend == VMGEN_BACKEND_VMCLOCK)
		return "the hypervisor, which does not promise to be in time";
	return "the kernel, some time after a restored machine runs";
}

const char *hex_id(const struct vmgen_info *info, char hex[HEX_ID_SIZE])
{
	static const uint8_t none[sizeof(info->instance_id)];
	size_t i;

	if (memcmp(info->instance_id, none, sizeof(none)) == 0)
		return NULL;
	for (i = 0; i < sizeof(info->instance_id); i++)
		sprintf(hex + 2 * i, "%02x", info->instance_id[i]);
	return hex;
}

/* Some counters begin with 0, so that no number says that there is none. */
static bool has_counter(const struct vmgen_info *info)
{
	return info->backend != VMGEN_BACKEND_NONE && info->backend != VMGEN_BACKEND_UEVENT;
}

const char *generation_text(const struct vmgen_info *info, char text[GENERATION_SIZE])
{
	if (!has_counter(info))
		return NULL;
	snprintf(text, GENERATION_SIZE, "%" PRIu64, info->generation);
	return text;
}

/* The generation is a string: most readers of JSON round a number beyond 2^53. */
void json_info(struct json *j, const struct vmgen_info *info)
{
	char hex[HEX_ID_SIZE], text[GENERATION_SIZE];

	json_string(j, "status", status_name(has_counter(info) ? VMGEN_ACTIVE :
					     VMGEN_NOTIFY_ONLY));
	if (!generation_text(info, text))
		return;
	json_string(j, "backend", backend_name(info->backend));
	json_string(j, "generation", text);
	if (hex_id(info, hex))
		json_string(j, "instance_id", hex);
	else
		json_null(j, "instance_id");
	json_bool(j, "hypervisor", info->flags & VMGEN_INFO_HYPERVISOR);
	json_bool(j, "crng_reseeded", info->flags & VMGEN_INFO_CRNG_RESEEDED);
	json_bool(j, "fork", info->flags & VMGEN_INFO_FORK);
}
