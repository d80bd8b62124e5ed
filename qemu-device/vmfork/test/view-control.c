/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What is malformed is refused with a message, and nothing else happens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (1u << 20)

static void malformed_requests(struct view *v)
{
	static const char *const bad[] = {
		"", "{", "}", "null", "7", "[]", "\"status\"", "{}", "{\"op\": 1}",
		"{\"op\": null}", "{\"op\": {}}", "{\"op\": \"\"}", "{\"op\": \"STATUS\"}",
		"{\"op\": \"status\"", "{\"op\": \"status\"}}", "op=status", "\xff\xfe\x80",
		"{\"op\": \"rebase\", \"ram\": []}", "{\"op\": \"rebase\", \"ram\": \"\"}",
	};
	static char large[100000];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		/* An empty datagram is what the end of a connection looks like. */
		if (!*bad[i])
			continue;
		view_fails(v, bad[i], "");
	}
	memset(large, '[', sizeof(large));
	CHECK(strstr(view_ask_raw(v, large, 60000), "brackets"));
	CHECK(strstr(view_ask_raw(v, large, 65536), "brackets"));
	CHECK(strstr(view_ask_raw(v, large, 65537), "65536 bytes"));
	CHECK(strstr(view_ask_raw(v, "{\"op\": \"status\"}\0", 17), "error"));
	CHECK(view_number(v, "restarts") == 0);
	CHECK(view_is(v, "open"));
}

/* A view of a finished file, which needs no machine. */
static void file_json(char *json, size_t size, const char *path)
{
	snprintf(json, size, "{\"version\": 1, \"file\": \"%s\"}", path);
}

static void malformed_views(struct standin *m)
{
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"version\": 2}", "{\"version\": \"1\"}",
		"{\"version\": 1}", "{\"version\": 1, \"blocks\": []}",
		"{\"version\": 1, \"blocks\": [7]}", "{\"version\": 1, \"blocks\": [{}]}",
		"{\"version\": 1, \"file\": \"/nowhere\"}", "{\"version\": 1, \"file\": \"/\"}",
		"{\"version\": 1, \"file\": \"/dev/null\"}",
		"{\"version\": 1, \"process\": 1}",
		"{\"version\": 1, \"process\": 1, \"maps\": [], \"base\": \"/nowhere\"}",
		"{\"version\": 1, \"uffd\": 999, \"blocks\": []}",
		"{\"version\": 1, \"uffd\": -1, \"blocks\": []}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 4096, "
			"\"host\": 4096, \"fd\": 999, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 4096, "
			"\"host\": 1, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4095, \"page-size\": 4096, "
			"\"host\": 0, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 0, \"page-size\": 4096, "
			"\"host\": 0, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 0, "
			"\"host\": 0, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 6000, "
			"\"host\": 0, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 1073741824, \"page-size\": 1073741824, "
			"\"host\": 0, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 9223372036854771712, "
			"\"page-size\": 4096, \"host\": 0, \"fd\": %d, \"fd-offset\": 0}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 4096, "
			"\"host\": 0, \"fd\": %d, \"fd-offset\": 1048576}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 4096, \"host\": 0, "
			"\"fd\": %d, \"fd-offset\": 0, \"ranges\": [{\"address\": 0, "
			"\"offset\": 4096, \"size\": 1}]}]}",
		"{\"version\": 1, \"blocks\": [{\"size\": 4096, \"page-size\": 4096, \"host\": 0, "
			"\"fd\": %d, \"fd-offset\": 0, \"ranges\": [{\"address\": "
			"-1, \"offset\": 0, \"size\": 1}]}]}",
	};
	char json[1000], error[4096];
	struct view v;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char path[300];

		view_dir(&v);
		snprintf(json, sizeof(json), bad[i], m->blocks[0].fd);
		CHECK(view_try(&v, json, NULL, error, sizeof(error)) == 1);
		CHECK(strncmp(error, "vmfork-view: ", 13) == 0);
		CHECK(strchr(error, '\n') == error + strlen(error) - 1);
		snprintf(path, sizeof(path), "%s/control", v.dir);
		CHECK(access(path, F_OK) < 0);
		CHECK(!view_keeper(&v) && !view_worker(&v));
		view_end(&v);
	}
}

static void bad_usage(void)
{
	const char *const budget[] = { "--budget", "lots", NULL };
	const char *const full[] = { "--on-full", "panic", NULL };
	const char *const extra[] = { "more", NULL };
	char error[4096];
	struct view v;

	view_dir(&v);
	CHECK(view_try(&v, "{}", budget, error, sizeof(error)) == 2 && *error);
	CHECK(view_try(&v, "{}", full, error, sizeof(error)) == 2 && *error);
	CHECK(view_try(&v, "{}", extra, error, sizeof(error)) == 2 && *error);
	view_end(&v);
}

/* Two servers in one folder, a path too long for a socket. */
static void bad_folders(void)
{
	char json[400], path[300], error[4096];
	struct view v, w;

	view_dir(&v);
	snprintf(path, sizeof(path), "%s/file", v.dir);
	{
		FILE *f = fopen(path, "w");

		CHECK(f && ftruncate(fileno(f), 8192) == 0 && fclose(f) == 0);
	}
	file_json(json, sizeof(json), path);
	view_start_json(&v, json, NULL);
	CHECK(view_is(&v, "frozen"));
	CHECK(view_try(&v, json, NULL, error, sizeof(error)) == 1);
	CHECK(strstr(error, "another server"));
	CHECK(view_is(&v, "frozen"));
	view_ok(&v, "{\"op\": \"freeze\"}");
	w = v;
	memset(w.dir + strlen(w.dir), 0, 1);
	snprintf(w.dir + strlen(v.dir), sizeof(w.dir) - strlen(v.dir), "/%090d", 0);
	CHECK(mkdir(w.dir, 0700) == 0);
	CHECK(view_try(&w, json, NULL, error, sizeof(error)) == 1);
	CHECK(strstr(error, "shorter folder"));
	view_end(&v);
}

int main(void)
{
	struct standin m;
	struct view v;

	need_root();
	standin_start(&m, 1, 1, SIZE, 0);
	view_start(&v, &m, NULL);
	malformed_requests(&v);
	view_end(&v);
	malformed_views(&m);
	bad_usage();
	bad_folders();
	standin_kill(&m);
	return 0;
}
