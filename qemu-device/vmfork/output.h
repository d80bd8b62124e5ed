/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Sizes, times and tables, as people read and write them. */
#ifndef VMFORK_OUTPUT_H
#define VMFORK_OUTPUT_H

#include "vmfork.h"

/* "256M"; TRUE and bytes */
gboolean output_parse_size(const char *text, gint64 *bytes, GError **error);
char *output_size(gint64 bytes);
char *output_time(gint64 us);
char *output_now(void);		/* RFC 3339 */
/* Each member of rows is an object; columns: member names, ended by NULL. */
void output_table(JsonArray *rows, const char *const *columns);
void output_json(JsonObject *object);
/* On standard output, unless --json or --quiet. */
void output_say(struct vmfork *v, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
