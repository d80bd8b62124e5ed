/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Strings come from command lines and file names, which may hold any byte, while a
 * JSON text must be UTF-8: what is none becomes U+FFFD.
 */
#include <string.h>

#include "json.h"

/* The length of the UTF-8 sequence at @s, 0 if there is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t i, n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (n == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what is beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void write_quoted(FILE *out, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	putc('"', out);
	while (*s) {
		size_t n = utf8_length(s);

		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else if (n)
			fwrite(s, 1, n, out);
		else
			fputs("\\ufffd", out);
		s += n ? n : 1;
	}
	putc('"', out);
}

static void write_key(struct json *j, const char *key)
{
	if (j->comma)
		putc(',', j->out);
	j->comma = true;
	if (key) {
		write_quoted(j->out, key);
		putc(':', j->out);
	}
}

void json_begin(struct json *j, const char *key, char bracket)
{
	write_key(j, key);
	putc(bracket, j->out);
	j->comma = false;
}

void json_end(struct json *j, char bracket)
{
	putc(bracket, j->out);
	j->comma = true;
}

void json_string(struct json *j, const char *key, const char *value)
{
	write_key(j, key);
	write_quoted(j->out, value);
}

void json_number(struct json *j, const char *key, long long value)
{
	write_key(j, key);
	fprintf(j->out, "%lld", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	write_key(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	write_key(j, key);
	fputs("null", j->out);
}
