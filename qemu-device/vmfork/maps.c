/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <string.h>
#include "maps.h"

/* "7f00-7f10 rw-p 00000000 00:2f 5    /path": the path is the rest of the line, in which
 * the kernel writes a line feed as \012 and nothing else in another way. */
static gboolean maps_line(const char *line, const char *path, guint64 *begin, guint64 *end,
			  guint64 *offset)
{
	int at = 0;

	return sscanf(line, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %*s %"
		      G_GINT64_MODIFIER "x %*s %*s %n", begin, end, offset, &at) == 3 && at > 0 &&
	       strcmp(line + at, path) == 0;
}

static void maps_add(JsonArray *maps, guint64 begin, guint64 end, guint64 offset)
{
	JsonObject *map = json_object_new();

	json_object_set_int_member(map, "host", begin);
	json_object_set_int_member(map, "offset", offset);
	json_object_set_int_member(map, "size", end - begin);
	json_array_add_object_element(maps, map);
}

JsonArray *maps_of(gint64 pid, const char *path, GError **error)
{
	g_autofree char *file = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/maps", pid);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	guint64 begin, end, offset;
	JsonArray *maps;

	if (!g_file_get_contents(file, &text, NULL, error))
		return NULL;
	maps = json_array_new();
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++)
		if (maps_line(*line, path, &begin, &end, &offset))
			maps_add(maps, begin, end, offset);
	if (json_array_get_length(maps) > 0)
		return maps;
	json_array_unref(maps);
	vmfork_fail(error, VMFORK_FAILED, "process %" G_GINT64_FORMAT " does not map %s", pid,
		    path);
	return NULL;
}
