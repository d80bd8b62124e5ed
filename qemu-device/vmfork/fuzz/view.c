/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * FILE.json and control messages.  The first byte says which.  Requests reach a view that
 * has no machine, no mount and a process that does not exist.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "field.h"
#include "fs.h"
#include "keeper.h"
#include "mount.h"
#include "view.h"

#define MUST(cond)	do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a request must not really do here. */
unsigned int fs_users(const struct view *v, bool frozen)
{
	(void)v, (void)frozen;
	return 0;
}

int mount_remove(const char *path, bool force)
{
	(void)path, (void)force;
	return -16;
}

int keeper_release(struct view *v)
{
	(void)v;
	return 0;
}

int keeper_inherit(struct view *v, int uffd, int peer)
{
	(void)v, (void)uffd, (void)peer;
	return -32;
}

int keeper_lower(struct view *v, int fd)
{
	(void)v, (void)fd;
	return -32;
}

static void plan(const char *text, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) root = field_parse(text, size, 1000, &error);
	struct plan p;

	MUST(root || error);
	if (!root)
		return;
	/* Descriptors that it may name are the fuzzer's own: they are looked at alone. */
	if (!plan_parse(&p, json_node_get_object(root), &error))
		MUST(error);
	else
		MUST(p.layout.size && p.layout.frames && p.layout.n_blocks);
	plan_clear(&p);
}

static struct view *a_view(void)
{
	static struct view v = { .dir = "/nowhere", .mount = "/nowhere/view",
				 .socket = "/nowhere/control" };

	if (v.frames.book)
		return &v;
	v.plan.uffd = v.plan.peer = v.plan.lower = -1;
	v.faults.uffd = v.faults.peer = -1;
	MUST(layout_plain(&v.plan.layout, 1 << 20, NULL));
	MUST(frames_create(&v.frames, &v.plan.layout, "/dev/null", 0, NULL));
	v.source = (struct source) { v.frames.book, &v.plan.layout, -1 };
	v.plan.process = INT32_MAX;
	MUST(faults_setup(&v, NULL));
	return &v;
}

static void request(const char *text, size_t size)
{
	JsonObject *reply = control_answer(a_view(), text, size);

	MUST(reply);
	MUST(json_object_has_member(reply, "ok") != json_object_has_member(reply, "error"));
	json_object_unref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	(data[0] & 1 ? plan : request)((const char *)data + 1, size - 1);
	return 0;
}
