/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The openssl command knows best which generators its configuration leads to.  It does
 * not tell why: an included file that is missing, a section that nothing refers to, a
 * provider that cannot be loaded are all passed over in silence.  So the configuration
 * is read here, too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "openssl.h"

#define GENERATOR	"VMGEN-CTR-DRBG"
#define INSTANCES	3	/* primary, public, private */

enum state {
	GUARDED,	/* all from the provider vmgen */
	UNGUARDED,	/* some are not */
	UNUSABLE,	/* there are none */
	MISSING,	/* there is no command to ask */
	SILENT		/* it does not answer the question */
};

struct subject {
	struct report *report;
	enum state state;
	enum verdict verdict;	/* of what keeps the provider from being used */
	struct conf conf;
	char file[512];		/* where the configuration begins */
	char modules[512];	/* where providers are */
};

static const char in_place[] =
	"name the file by the path that it has, or install what provides it (libvmgen-openssl)";
static const char sections[] =
	"take the sections of libvmgen's vmgen.cnf, whole and unchanged: put .include and its absolute path into the last line of openssl.cnf";

/* --- Asking ------------------------------------------------------------------ */

/* The first line of what @command prints that has @word; true if there is one. */
static bool line_of(const char *command, const char *word, char *line, int size)
{
	FILE *f = popen(command, "re");
	bool found = false;

	while (f && !found && fgets(line, size, f))
		found = strstr(line, word) != NULL;
	if (f)
		pclose(f);
	return found;
}

/* Older versions do not. */
static bool knows_the_question(void)
{
	char line[256];

	return line_of("OPENSSL_CONF=/dev/null exec openssl list -random-instances 2> /dev/null",
		       "primary:", line, sizeof(line));
}

static enum state ask(void)
{
	FILE *f = popen("exec openssl list -random-instances 2> /dev/null", "re");
	unsigned int guarded = 0, others = 0;
	char line[256];
	const char *at;
	int status;

	if (!f)
		return SILENT;
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, " @ ");
		guarded += at && strncmp(at, " @ vmgen", 8) == 0;
		others += at && strncmp(at, " @ vmgen", 8) != 0;
	}
	status = pclose(f);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return MISSING;
	if (others)
		return UNGUARDED;
	if (guarded == INSTANCES && status == 0)
		return GUARDED;
	return knows_the_question() ? UNUSABLE : SILENT;
}

/* What stands between quotes in the line that begins with @word, and @rest behind it. */
static void built_in(const char *command, const char *word, const char *rest, char *ret,
		     size_t size)
{
	char line[512], *begin = NULL;

	*ret = '\0';
	if (line_of(command, word, line, sizeof(line)))
		begin = strchr(line, '"');
	if (!begin)
		return;
	begin++;
	begin[strcspn(begin, "\"")] = '\0';
	snprintf(ret, size, "%s%s", begin, rest);
}

static void find_places(struct subject *s)
{
	const char *file = getenv("OPENSSL_CONF"), *modules = getenv("OPENSSL_MODULES");

	snprintf(s->file, sizeof(s->file), "%s", file ? file : "");
	snprintf(s->modules, sizeof(s->modules), "%s", modules ? modules : "");
	if (!file)
		built_in("OPENSSL_CONF=/dev/null exec openssl version -d 2> /dev/null",
			 "OPENSSLDIR", "/openssl.cnf", s->file, sizeof(s->file));
	if (!modules)
		built_in("OPENSSL_CONF=/dev/null exec openssl version -m 2> /dev/null",
			 "MODULESDIR", "", s->modules, sizeof(s->modules));
}

/* --- What is wrong with the configuration -------------------------------------- */

#define reason(s, setting, advice, format, ...) \
	report((s)->report, (s)->verdict, "openssl.cnf", advice, "%s:%u: " format, \
	       (setting)->file, (setting)->line, __VA_ARGS__)

static bool mentions(const struct conf_setting *s)
{
	return strcasestr(s->section, "vmgen") || (s->name && strcasestr(s->name, "vmgen")) ||
	       (s->value && strcasestr(s->value, "vmgen"));
}

/* The first of the settings from @i to @end that has to do with the provider. */
static const struct conf_setting *first_mention(const struct conf *c, size_t i, size_t end)
{
	for (; i < end; i++)
		if (mentions(&c->settings[i]))
			return &c->settings[i];
	return NULL;
}

static bool is_false(const char *value)
{
	static const char *const no[] = { "0", "no", "false", "off" };
	size_t i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strcasecmp(value, no[i]) == 0)
			return true;
	return false;
}

/* Programs run in any folder, and for any user. */
static void check_found(struct subject *s, const struct conf_include *i)
{
	if (!first_mention(&s->conf, i->first, i->end))
		return;
	if (*i->opened != '/')
		reason(s, i, "write its absolute path",
		       ".include %s: a program in another folder does not find it, and goes on without it",
		       i->path);
	else if (!(i->mode & S_IROTH))
		reason(s, i, "let everyone read it (chmod a+r)",
		       ".include %s: not everyone may read it (mode %04o), and programs go on without it",
		       i->path, (unsigned int)i->mode & 07777);
}

/* A provider that is used all the same came from another file. */
static void check_missing(struct subject *s, const struct conf_include *i)
{
	enum verdict verdict = s->verdict;

	if (s->state == GUARDED)
		s->verdict = VERDICT_NOTE;
	reason(s, i, in_place, ".include %s: %s; OpenSSL goes on without it and says nothing",
	       i->path, strerror(-i->error));
	s->verdict = verdict;
}

static void check_includes(struct subject *s)
{
	size_t i;

	for (i = 0; i < s->conf.n_includes; i++) {
		if (s->conf.includes[i].error)
			check_missing(s, &s->conf.includes[i]);
		else
			check_found(s, &s->conf.includes[i]);
	}
}

/* Where to look for a line that section @section does not have. */
static const struct conf_setting *place_of(const struct conf *c, const char *section)
{
	size_t i;

	for (i = 0; i < c->n_settings; i++)
		if (strcmp(c->settings[i].section, section) == 0)
			return &c->settings[i];
	return first_mention(c, 0, c->n_settings);
}

/* The section that @name in @section leads to; what is wrong is told, and NULL. */
static const char *led_to(struct subject *s, const char *section, const char *name,
			  const char *meaning)
{
	const struct conf_setting *found = conf_find(&s->conf, section, name);

	if (found && conf_has_section(&s->conf, found->value))
		return found->value;
	if (found)
		reason(s, found, sections, "%s = %s: there is no section [%s]", name,
		       found->value, found->value);
	else
		reason(s, place_of(&s->conf, section), sections,
		       "section [%s] has no line \"%s = ...\"%s", section, name, meaning);
	return NULL;
}

/* A setting, in whatever section it stands. */
static const struct conf_setting *anywhere(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n_settings; i++)
		if (c->settings[i].name && strcmp(c->settings[i].name, name) == 0)
			return &c->settings[i];
	return NULL;
}

static const char *beginning(struct subject *s)
{
	const struct conf_setting *found = anywhere(&s->conf, "openssl_conf");

	if (!found || conf_find(&s->conf, CONF_DEFAULT, "openssl_conf"))
		return led_to(s, CONF_DEFAULT, "openssl_conf",
			      ", without which OpenSSL uses no section at all");
	reason(s, found, "move it above the first section",
	       "openssl_conf stands in section [%s], where OpenSSL does not look for it",
	       found->section);
	return NULL;
}

/* Why the module at @path does not load, as the openssl command says it. */
static bool load_error(const char *path, char *error, int size)
{
	const char *text;

	setenv("VMGEN_DOCTOR_MODULE", path, 1);
	if (!line_of("exec openssl list -providers -provider \"$VMGEN_DOCTOR_MODULE\" 2>&1",
		     ":error:", error, size))
		return false;
	text = strstr(error, "filename(");
	if (!text)
		text = strstr(error, ":error:") + 1;
	memmove(error, text, strlen(text) + 1);
	error[strcspn(error, "\n")] = '\0';
	return true;
}

static void check_module(struct subject *s, const struct conf_setting *at, const char *name)
{
	const char *of_name = *name == '/' || !*s->modules ? "" : s->modules;
	char path[1024], error[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s%s", of_name, *of_name ? "/" : "", name);
	if (stat(path, &st) < 0)
		reason(s, at, "install libvmgen-openssl, or name the module by the path that it has",
		       "the provider's module %s: %s", path, strerror(errno));
	else if (!(st.st_mode & S_IROTH))
		reason(s, at, "let everyone read it (chmod a+r)",
		       "the provider's module %s: not everyone may read it (mode %04o)", path,
		       (unsigned int)st.st_mode & 07777);
	else if (load_error(path, error, sizeof(error)))
		reason(s, at, "install what it needs (libvmgen1)",
		       "the provider's module %s does not load: %s", path, error);
}

static void check_activation(struct subject *s, const struct conf_setting *provider)
{
	const struct conf_setting *activate = conf_find(&s->conf, provider->value, "activate");

	if (!activate)
		reason(s, provider, "write \"activate = 1\" into that section",
		       "the provider's section [%s] has no line \"activate = 1\"",
		       provider->value);
	else if (is_false(activate->value))
		reason(s, activate, "write \"activate = 1\"",
		       "activate = %s: OpenSSL 3.0 takes this for a yes, newer ones do not use the provider",
		       activate->value);
}

/* The line of section @list that names the provider. */
static const struct conf_setting *provider_of(const struct conf *c, const char *list)
{
	size_t i;

	for (i = 0; i < c->n_settings; i++)
		if (strcmp(c->settings[i].section, list) == 0 && c->settings[i].name &&
		    strncmp(c->settings[i].name, "vmgen", 5) == 0)
			return conf_find(c, list, c->settings[i].name);
	return NULL;
}

static void check_provider(struct subject *s, const char *list)
{
	const struct conf_setting *provider = provider_of(&s->conf, list), *module;
	char name[256];

	if (!provider) {
		led_to(s, list, "vmgen", " for the provider");
		return;
	}
	if (!led_to(s, list, provider->name, " for the provider"))
		return;
	check_activation(s, provider);
	module = conf_find(&s->conf, provider->value, "module");
	snprintf(name, sizeof(name), "%s.so", provider->name);
	check_module(s, module ? module : provider, module ? module->value : name);
}

static void check_generator(struct subject *s, const char *section)
{
	const struct conf_setting *set = conf_find(&s->conf, section, "random");

	if (!set)
		led_to(s, section, "random", " for the generator");
	else if (strcasecmp(set->value, GENERATOR) != 0)
		reason(s, set, "write \"random = " GENERATOR "\"",
		       "random = %s: this generator is not the provider's", set->value);
}

/* What works today, with this version. */
static void check_working(struct subject *s)
{
	const struct conf_setting *c = s->conf.settings;
	const struct conf_setting *end = c + s->conf.n_settings;

	for (; c < end; c++)
		if (c->name && strncmp(c->name, "vmgen", 5) == 0 &&
		    conf_find(&s->conf, c->value, "activate"))
			check_activation(s, c);
}

static void follow(struct subject *s)
{
	const char *init, *list, *generator;

	if (!first_mention(&s->conf, 0, s->conf.n_settings))
		return;
	if (s->state == GUARDED) {
		check_working(s);
		return;
	}
	init = beginning(s);
	if (!init)
		return;
	list = led_to(s, init, "providers", ", which leads to the provider");
	if (list)
		check_provider(s, list);
	generator = led_to(s, init, "random", ", which leads to the generator");
	if (generator)
		check_generator(s, generator);
}

static void explain(struct subject *s)
{
	int r;

	if (!*s->file)
		return;
	r = conf_read(s->file, &s->conf);
	if (r < 0) {
		report(s->report, s->verdict, "openssl.cnf",
		       "put the file there, or have OPENSSL_CONF name another one",
		       "%s: %s; OpenSSL goes on without it and says nothing", s->file,
		       strerror(-r));
		return;
	}
	check_includes(s);
	follow(s);
	conf_free(&s->conf);
}

/* --- What is found ----------------------------------------------------------- */

static void report_guarded(struct subject *s, enum verdict unguarded, bool counter)
{
	if (counter)
		report(s->report, VERDICT_OK, "openssl", NULL,
		       "programs that load %s use the provider vmgen", s->file);
	else
		report(s->report, unguarded, "openssl", "see to the counter first",
		       "programs that load %s use the provider vmgen, which has no counter to go by",
		       s->file);
}

static void report_state(struct subject *s, enum verdict unguarded, bool counter)
{
	switch (s->state) {
	case GUARDED:
		report_guarded(s, unguarded, counter);
		break;
	case UNGUARDED:
		report(s->report, unguarded, "openssl", counter ?
		       "install libvmgen-openssl, enable the provider in openssl.cnf, and start what uses OpenSSL again" :
		       "see to the counter first: without one, the provider has nothing to go by",
		       "its random numbers do not come from the provider vmgen");
		break;
	case UNUSABLE:
		report(s->report, VERDICT_PROBLEM, "openssl",
		       "see what \"openssl rand -hex 8\" says, and mend openssl.cnf",
		       "it gives no random numbers with its configuration (%s)", s->file);
		break;
	case MISSING:
		report(s->report, VERDICT_UNKNOWN, "openssl", NULL,
		       "there is no openssl command to ask");
		break;
	case SILENT:
		report(s->report, VERDICT_UNKNOWN, "openssl", NULL,
		       "the openssl command does not tell where its random numbers come from");
	}
}

/* Without a counter the provider changes nothing, unless it keeps programs from running. */
static enum verdict of_reasons(enum state state, enum verdict unguarded, bool counter)
{
	if (state == UNUSABLE)
		return VERDICT_PROBLEM;
	return counter ? unguarded : VERDICT_NOTE;
}

void check_openssl(struct report *r, enum verdict unguarded, bool counter)
{
	struct subject s = { .report = r, .state = ask() };

	s.verdict = of_reasons(s.state, unguarded, counter);
	if (s.state != MISSING)
		find_places(&s);
	report_state(&s, unguarded, counter);
	if (s.state != MISSING && s.state != SILENT)
		explain(&s);
}
