/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Members of JSON objects that others wrote: FILE.json and control messages.  A member of
 * another type than the one that is asked for counts as absent.
 */
#ifndef FIELD_H
#define FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include <json-glib/json-glib.h>

JsonNode *field_parse(const char *text, size_t size, unsigned int braces, GError **error);

bool field_number(JsonObject *object, const char *name, uint64_t *ret);
bool field_flag(JsonObject *object, const char *name);
const char *field_text(JsonObject *object, const char *name);
JsonArray *field_list(JsonObject *object, const char *name);
JsonObject *field_element(JsonArray *list, unsigned int i);

#endif /* FIELD_H */
