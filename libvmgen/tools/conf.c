/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* See config(5) of OpenSSL.  Its sections go on in the files that it includes. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"

#define DEPTH_MAX	16	/* a file may include itself */

static void read_file(struct conf *c, const char *path);

static void *must(void *p)
{
	if (p)
		return p;
	fprintf(stderr, "vmgen: %s\n", strerror(ENOMEM));
	exit(1);
}

static char *copy(const char *s)
{
	return must(strdup(s));
}

/* --- Values: quotes, escapes, variables -------------------------------------- */

static const char *lookup(const struct conf *c, const char *section, const char *name)
{
	const struct conf_setting *s;

	if (strcmp(section, "ENV") == 0)
		return getenv(name);
	s = conf_find(c, section, name);
	if (!s)
		s = conf_find(c, CONF_DEFAULT, name);
	return s ? s->value : NULL;
}

/* @s is behind the dollar sign; returns what is behind the variable. */
static const char *expand(const struct conf *c, const char *s, FILE *out)
{
	char close = *s == '{' ? '}' : *s == '(' ? ')' : '\0';
	char name[256], *in_section;
	const char *value;
	size_t n = 0;

	s += close != '\0';
	for (; *s && (isalnum((unsigned char)*s) || *s == '_' || *s == ':'); s++)
		if (n < sizeof(name) - 1)
			name[n++] = *s;
	name[n] = '\0';
	s += close && *s == close;
	in_section = strstr(name, "::");
	if (in_section)
		*in_section = '\0';
	value = lookup(c, in_section ? name : c->section, in_section ? in_section + 2 : name);
	fputs(value ? value : "", out);
	return s;
}

/* Up to a comment; @s has no blanks in front. */
static char *value_of(const struct conf *c, const char *s)
{
	char *text = NULL, quote = '\0';
	size_t size = 0, kept = 0, length;
	FILE *out = must(open_memstream(&text, &size));

	while (*s && (quote || *s != '#')) {
		if (quote ? *s == quote : strchr("\"'`", *s) != NULL) {
			quote = quote ? '\0' : *s;
			s++;
			kept = (size_t)ftell(out);
		} else if (*s == '$' && !quote) {
			s = expand(c, s + 1, out);
		} else {
			s += *s == '\\' && s[1];
			putc(*s++, out);
		}
	}
	fclose(out);
	must(text);
	/* Blanks at the end are none of the value, unless they are quoted. */
	for (length = size; length > kept && isspace((unsigned char)text[length - 1]); length--)
		text[length - 1] = '\0';
	return text;
}

/* --- Lines ------------------------------------------------------------------- */

static void add_setting(struct conf *c, const char *section, const char *name, char *value,
			const char *file, unsigned int line)
{
	struct conf_setting *s;

	c->settings = must(reallocarray(c->settings, c->n_settings + 1, sizeof(*s)));
	s = &c->settings[c->n_settings++];
	s->section = copy(section);
	s->name = name ? copy(name) : NULL;
	s->value = value;
	s->file = copy(file);
	s->line = line;
}

static void begin_section(struct conf *c, const char *s, const char *file, unsigned int line)
{
	size_t n;

	s += strspn(s, " \t");
	n = strcspn(s, "]");
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	free(c->section);
	c->section = must(strndup(s, n));
	add_setting(c, c->section, NULL, NULL, file, line);
}

/* What a relative path is relative to, or NULL for the folder of the process. */
static const char *folder_of_includes(const struct conf *c)
{
	const char *folder = getenv("OPENSSL_CONF_INCLUDE");

	return folder ? folder : c->folder;
}

static char *opened_by(const struct conf *c, const char *path)
{
	const char *folder = folder_of_includes(c);
	char *opened = NULL;

	if (*path == '/' || !folder)
		return copy(path);
	if (asprintf(&opened, "%s/%s", folder, path) < 0)
		must(NULL);
	return opened;
}

static bool is_for_include(const char *name)
{
	const char *end = strrchr(name, '.');

	return end && (strcmp(end, ".cnf") == 0 || strcmp(end, ".conf") == 0);
}

static void read_folder(struct conf *c, const char *path, DIR *folder)
{
	struct dirent *entry;
	char *file;

	while ((entry = readdir(folder))) {
		if (!is_for_include(entry->d_name))
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0)
			must(NULL);
		read_file(c, file);
		free(file);
	}
}

static int read_file_or_folder(struct conf *c, const char *path, mode_t *mode)
{
	struct stat st;
	DIR *folder;
	FILE *f;

	if (stat(path, &st) < 0)
		return -errno;
	*mode = st.st_mode;
	if (S_ISDIR(st.st_mode)) {
		folder = opendir(path);
		if (!folder)
			return -errno;
		read_folder(c, path, folder);
		closedir(folder);
		return 0;
	}
	f = fopen(path, "re");
	if (!f)
		return -errno;
	fclose(f);
	read_file(c, path);
	return 0;
}

static void include(struct conf *c, char *path, const char *file, unsigned int line)
{
	struct conf_include *i, new = {
		.path = path, .opened = opened_by(c, path), .file = copy(file), .line = line,
		.first = c->n_settings,
	};
	size_t index = c->n_includes++;

	c->includes = must(reallocarray(c->includes, c->n_includes, sizeof(*i)));
	c->includes[index] = new;
	new.error = read_file_or_folder(c, new.opened, &new.mode);
	new.end = c->n_settings;
	c->includes[index] = new;	/* the array may have moved */
}

static void pragma(struct conf *c, const char *s)
{
	static const char name[] = "includedir:";

	if (strncmp(s, name, strlen(name)) != 0)
		return;
	free(c->folder);
	c->folder = value_of(c, s + strlen(name));
}

static void assign(struct conf *c, char *name, const char *value, const char *file,
		   unsigned int line)
{
	char *in_section = strstr(name, "::");

	if (in_section)
		*in_section = '\0';
	add_setting(c, in_section ? name : c->section, in_section ? in_section + 2 : name,
		    value_of(c, value), file, line);
}

/* The name, and what is behind it with a "=" or without. */
static void parse_setting(struct conf *c, char *s, const char *file, unsigned int line)
{
	size_t n = strcspn(s, " \t=");
	char *value = s + n + strspn(s + n, " \t");

	if (*s != '.' && *value != '=')
		return;
	value += *value == '=';
	value += strspn(value, " \t");
	s[n] = '\0';
	if (strcmp(s, ".include") == 0)
		include(c, value_of(c, value), file, line);
	else if (strcmp(s, ".pragma") == 0)
		pragma(c, value);
	else
		assign(c, s, value, file, line);
}

static void parse_line(struct conf *c, char *s, const char *file, unsigned int line)
{
	s += strspn(s, " \t");
	if (*s == '[')
		begin_section(c, s + 1, file, line);
	else if (*s && *s != '#')
		parse_setting(c, s, file, line);
}

/* A line that ends with a backslash goes on. */
static bool goes_on(char *line, size_t *length)
{
	size_t n = *length, escapes = 0;

	while (n && strchr("\r\n", line[n - 1]))
		n--;
	line[n] = '\0';
	while (escapes < n && line[n - 1 - escapes] == '\\')
		escapes++;
	if (escapes % 2)
		line[--n] = '\0';
	*length = n;
	return escapes % 2;
}

static void read_lines(struct conf *c, FILE *f, const char *path)
{
	char *line = NULL, *whole = copy("");
	size_t size = 0, have = 0, length;
	unsigned int number = 0;
	ssize_t n;
	bool more;

	while ((n = getline(&line, &size, f)) > 0) {
		length = (size_t)n;
		more = goes_on(line, &length);
		whole = must(realloc(whole, have + length + 1));
		memcpy(whole + have, line, length + 1);
		have += length;
		number++;
		if (more)
			continue;
		parse_line(c, whole, path, number);
		have = 0;
	}
	free(whole);
	free(line);
}

static void read_file(struct conf *c, const char *path)
{
	FILE *f = c->depth < DEPTH_MAX ? fopen(path, "re") : NULL;

	if (!f)
		return;
	c->depth++;
	read_lines(c, f, path);
	c->depth--;
	fclose(f);
}

int conf_read(const char *path, struct conf *ret)
{
	mode_t mode;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->section = copy(CONF_DEFAULT);
	r = read_file_or_folder(ret, path, &mode);
	if (r < 0)
		conf_free(ret);
	return r;
}

void conf_free(struct conf *c)
{
	size_t i;

	for (i = 0; i < c->n_settings; i++) {
		free(c->settings[i].section);
		free(c->settings[i].name);
		free(c->settings[i].value);
		free(c->settings[i].file);
	}
	for (i = 0; i < c->n_includes; i++) {
		free(c->includes[i].path);
		free(c->includes[i].opened);
		free(c->includes[i].file);
	}
	free(c->settings);
	free(c->includes);
	free(c->section);
	free(c->folder);
	memset(c, 0, sizeof(*c));
}

const struct conf_setting *conf_find(const struct conf *c, const char *section,
				     const char *name)
{
	size_t i;

	for (i = c->n_settings; i-- > 0;)
		if (c->settings[i].name && strcmp(c->settings[i].section, section) == 0 &&
		    strcmp(c->settings[i].name, name) == 0)
			return &c->settings[i];
	return NULL;
}

bool conf_has_section(const struct conf *c, const char *section)
{
	size_t i;

	for (i = 0; i < c->n_settings; i++)
		if (strcmp(c->settings[i].section, section) == 0)
			return true;
	return false;
}
