/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gio/gio.h>

#include "field.h"
#include "plan.h"

#define PLAN_MAPS_MAX 4096
#define PLAN_BRACKETS (2 * (LAYOUT_BLOCKS_MAX + LAYOUT_RANGES_MAX))
#define PLAN_BYTES (1 << 20)

#define refuse(error, ...) \
	(g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, __VA_ARGS__), FALSE)

/* A descriptor that the spawner left open for us. */
static gboolean inherited(JsonObject *object, const char *name, int *ret, GError **error)
{
	uint64_t fd;

	if (!json_object_has_member(object, name))
		return TRUE;
	if (!field_number(object, name, &fd) || fd > INT32_MAX || fcntl(fd, F_GETFD) < 0)
		return refuse(error, "%s is no open descriptor", name);
	*ret = fd;
	return TRUE;
}

static gboolean parse_inherits(struct plan *p, JsonObject *object, GError **error)
{
	const char *path = field_text(object, "inherits");

	if (!path)
		return TRUE;
	if (json_object_has_member(object, "uffd") ||
	    json_object_has_member(object, "peer"))
		return refuse(error, "inherits goes without uffd and peer");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return refuse(error, "inherits: %s: the path is too long", path);
	p->inherits = g_strdup(path);
	return TRUE;
}

static gboolean parse_memory(struct plan *p, JsonObject *object, GError **error)
{
	JsonArray *blocks = field_list(object, "blocks");

	if (!blocks)
		return refuse(error, "none of blocks, process, file");
	if (!parse_inherits(p, object, error))
		return FALSE;
	return inherited(object, "uffd", &p->uffd, error) &&
	       inherited(object, "peer", &p->peer, error) &&
	       layout_parse(&p->layout, blocks, TRUE, error);
}

/* RAM is a file of pages, with blocks that say where the guest sees it, or without. */
static gboolean parse_file(struct plan *p, JsonObject *object, const char *path,
			   GError **error)
{
	JsonArray *blocks = field_list(object, "blocks");
	struct stat st;

	p->lower = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->lower < 0 || fstat(p->lower, &st) < 0)
		return refuse(error, "%s: %s", path, g_strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(error, "%s: no file of RAM", path);
	if (!blocks)
		return layout_plain(&p->layout, st.st_size, error);
	if (!layout_parse(&p->layout, blocks, FALSE, error))
		return FALSE;
	if (p->layout.size != (uint64_t)st.st_size)
		return refuse(error, "%s: the blocks have another size", path);
	return TRUE;
}

static gboolean parse_map(struct plan *p, JsonObject *object, GError **error)
{
	struct plan_map m;

	if (!object || !field_number(object, "host", &m.host) ||
	    !field_number(object, "offset", &m.offset) ||
	    !field_number(object, "size", &m.size))
		return refuse(error, "a map has no host, offset or size");
	if (m.host % LAYOUT_UNIT || m.offset % LAYOUT_UNIT || m.size % LAYOUT_UNIT ||
	    m.host > INT64_MAX - m.size || m.offset > p->layout.size ||
	    m.size > p->layout.size - m.offset)
		return refuse(error, "a map is not within the base");
	p->maps[p->n_maps++] = m;
	return TRUE;
}

static gboolean parse_process(struct plan *p, JsonObject *object, GError **error)
{
	const char *base = field_text(object, "base");
	JsonArray *maps = field_list(object, "maps");
	uint64_t pid;

	if (!base || !maps || !field_number(object, "process", &pid) || !pid ||
	    pid > INT32_MAX)
		return refuse(error, "a process needs a number, maps and a base");
	if (json_array_get_length(maps) > PLAN_MAPS_MAX)
		return refuse(error, "more than %d maps", PLAN_MAPS_MAX);
	if (!parse_file(p, object, base, error))
		return FALSE;
	if (p->layout.page != LAYOUT_UNIT)
		return refuse(error, "private memory has pages of %u bytes", LAYOUT_UNIT);
	p->process = pid;
	p->maps = g_new0(struct plan_map, json_array_get_length(maps));
	for (guint i = 0; i < json_array_get_length(maps); i++)
		if (!parse_map(p, field_element(maps, i), error))
			return FALSE;
	return TRUE;
}

gboolean plan_parse(struct plan *p, JsonObject *object, GError **error)
{
	const char *file = field_text(object, "file");
	uint64_t version;

	memset(p, 0, sizeof(*p));
	p->uffd = p->peer = p->lower = -1;
	if (!field_number(object, "version", &version) || version != 1)
		return refuse(error, "version is not 1: vmfork and vmfork-view are of "
			      "different releases");
	if (json_object_has_member(object, "process"))
		return parse_process(p, object, error);
	if (file)
		return parse_file(p, object, file, error);
	return parse_memory(p, object, error);
}

gboolean plan_load(struct plan *p, const char *path, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(JsonNode) root = NULL;
	gsize size;

	if (!g_file_get_contents(path, &text, &size, error))
		return FALSE;
	if (size > PLAN_BYTES)
		return refuse(error, "%s: more than %d bytes", path, PLAN_BYTES);
	root = field_parse(text, size, PLAN_BRACKETS, error);
	if (!root || !plan_parse(p, json_node_get_object(root), error)) {
		g_prefix_error(error, "%s: ", path);
		return FALSE;
	}
	return TRUE;
}

void plan_clear(struct plan *p)
{
	layout_clear(&p->layout);
	g_clear_pointer(&p->maps, g_free);
	g_clear_pointer(&p->inherits, g_free);
	if (p->lower >= 0)
		close(p->lower);
	p->lower = -1;
}
