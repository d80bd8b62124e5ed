/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <gio/gio.h>

#include "field.h"

/* json-glib recurses, so that few enough brackets are what keeps the stack whole. */
static bool shallow(const char *text, size_t size, unsigned int braces)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < size; i++)
		seen += text[i] == '{' || text[i] == '[';
	return seen <= braces;
}

JsonNode *field_parse(const char *text, size_t size, unsigned int braces, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *root;

	if (!shallow(text, size, braces)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "more than %u brackets", braces);
		return NULL;
	}
	if (!g_utf8_validate_len(text, size, NULL)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "no UTF-8 text");
		return NULL;
	}
	if (!json_parser_load_from_data(parser, text, size, error))
		return NULL;
	root = json_parser_steal_root(parser);
	if (root && JSON_NODE_HOLDS_OBJECT(root))
		return root;
	g_clear_pointer(&root, json_node_unref);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "no JSON object");
	return NULL;
}

static JsonNode *value(JsonObject *object, const char *name, GType type)
{
	JsonNode *node = json_object_get_member(object, name);

	if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
	    json_node_get_value_type(node) != type)
		return NULL;
	return node;
}

bool field_number(JsonObject *object, const char *name, uint64_t *ret)
{
	JsonNode *node = value(object, name, G_TYPE_INT64);
	gint64 number = node ? json_node_get_int(node) : -1;

	if (number < 0)
		return false;
	*ret = number;
	return true;
}

bool field_flag(JsonObject *object, const char *name)
{
	JsonNode *node = value(object, name, G_TYPE_BOOLEAN);

	return node && json_node_get_boolean(node);
}

const char *field_text(JsonObject *object, const char *name)
{
	JsonNode *node = value(object, name, G_TYPE_STRING);

	return node ? json_node_get_string(node) : NULL;
}

JsonArray *field_list(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

JsonObject *field_element(JsonArray *list, unsigned int i)
{
	JsonNode *node = json_array_get_element(list, i);

	return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}
