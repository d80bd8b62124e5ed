/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A writer of JSON on one line.  A key is NULL inside an array and at the top. */
#ifndef VMGEN_JSON_H
#define VMGEN_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool comma;	/* something precedes at this level */
};

void json_begin(struct json *j, const char *key, char bracket);
void json_end(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, long long value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif /* VMGEN_JSON_H */
