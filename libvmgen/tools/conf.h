/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The files that configure OpenSSL, read as OpenSSL 3 reads them. */
#ifndef VMGEN_CONF_H
#define VMGEN_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A setting that stands above all sections belongs to this one. */
#define CONF_DEFAULT	"default"

struct conf_setting {
	char *section;
	char *name;		/* NULL: the heading of the section */
	char *value;
	char *file;
	unsigned int line;
};

struct conf_include {
	char *path;		/* as it is written, and what that leads to */
	char *opened;
	char *file;		/* where it is written */
	unsigned int line;
	int error;		/* why it could not be read; OpenSSL does not tell */
	mode_t mode;
	size_t first, end;	/* the settings that it contributed */
};

struct conf {
	struct conf_setting *settings;
	size_t n_settings;
	struct conf_include *includes;
	size_t n_includes;
	/* While it is read: */
	char *section;
	char *folder;		/* .pragma includedir */
	unsigned int depth;
};

/* Returns 0, or a negative errno value if @path cannot be read. */
int conf_read(const char *path, struct conf *ret);
void conf_free(struct conf *c);

/* The last one counts.  NULL: there is none. */
const struct conf_setting *conf_find(const struct conf *c, const char *section,
				     const char *name);
bool conf_has_section(const struct conf *c, const char *section);

#endif /* VMGEN_CONF_H */
