/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "output.h"

static const char units[] = "KMGT";

static gboolean output_scale(const char *end, gint64 *bytes)
{
	const char *unit;
	gint64 factor = 1;

	if (*end == '\0')
		return TRUE;
	unit = strchr(units, g_ascii_toupper(*end));
	if (!unit || (end[1] != '\0' && strcmp(end + 1, "iB") != 0))
		return FALSE;
	factor <<= 10 * (unit - units + 1);
	if (*bytes > G_MAXINT64 / factor)
		return FALSE;
	*bytes *= factor;
	return TRUE;
}

gboolean output_parse_size(const char *text, gint64 *bytes, GError **error)
{
	char *end;

	errno = 0;
	*bytes = g_ascii_strtoll(text, &end, 10);
	if (errno == 0 && g_ascii_isdigit(*text) && *bytes > 0 && output_scale(end, bytes))
		return TRUE;
	return vmfork_fail(error, VMFORK_USAGE, "\"%s\" is no size: write a number of bytes, or "
			   "one with K, M, G or T, such as 256M", text);
}

char *output_size(gint64 bytes)
{
	double value = bytes;
	int unit = -1;

	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		return g_strdup_printf("%" G_GINT64_FORMAT, bytes);
	return g_strdup_printf(value < 10 ? "%.1f %ciB" : "%.0f %ciB", value, units[unit]);
}

char *output_time(gint64 us)
{
	if (us < 1000)
		return g_strdup_printf("%" G_GINT64_FORMAT " us", us);
	if (us < G_USEC_PER_SEC)
		return g_strdup_printf("%.1f ms", us / 1000.0);
	return g_strdup_printf("%.2f s", us / (double)G_USEC_PER_SEC);
}

char *output_now(void)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();

	return g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
}

static char *output_cell(JsonObject *row, const char *column)
{
	JsonNode *node = json_object_get_member(row, column);

	if (!node || JSON_NODE_HOLDS_NULL(node))
		return g_strdup("-");
	if (json_node_get_value_type(node) == G_TYPE_STRING)
		return g_strdup(json_node_get_string(node));
	return json_to_string(node, FALSE);
}

static size_t output_width(JsonArray *rows, const char *column)
{
	size_t width = strlen(column);

	for (guint i = 0; i < json_array_get_length(rows); i++) {
		g_autofree char *cell = output_cell(json_array_get_object_element(rows, i),
						    column);

		width = MAX(width, strlen(cell));
	}
	return width;
}

static void output_row(JsonArray *rows, JsonObject *row, const char *const *columns)
{
	for (; *columns; columns++) {
		g_autofree char *cell = row ? output_cell(row, *columns) :
					      g_ascii_strup(*columns, -1);

		if (columns[1])
			printf("%-*s  ", (int)output_width(rows, *columns), cell);
		else
			printf("%s\n", cell);
	}
}

void output_table(JsonArray *rows, const char *const *columns)
{
	output_row(rows, NULL, columns);
	for (guint i = 0; i < json_array_get_length(rows); i++)
		output_row(rows, json_array_get_object_element(rows, i), columns);
}

void output_json(JsonObject *object)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = json_to_string(node, TRUE);

	puts(text);
}

void output_say(struct vmfork *v, const char *format, ...)
{
	va_list args;

	if (v->json || v->quiet)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}
