/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include <string.h>

#include "qmp.h"

static void note_migration(struct qmp *q)
{
	if (!strstr(q->line, "\"MIGRATION\""))
		return;
	if (strstr(q->line, "\"completed\""))
		q->migration = 1;
	if (strstr(q->line, "\"failed\""))
		q->migration = -1;
}

/* Moves the first line received into q->line, if it is complete. */
static bool take_line(struct qmp *q)
{
	char *end = memchr(q->in, '\n', q->used);
	size_t size = end ? (size_t)(end - q->in) : 0;

	if (!end)
		return false;
	memcpy(q->line, q->in, size);
	q->line[size] = '\0';
	q->used -= size + 1;
	memmove(q->in, end + 1, q->used);
	note_migration(q);
	return true;
}

static void await_line(struct qmp *q)
{
	while (!take_line(q)) {
		if (q->used == sizeof(q->in))
			die("QEMU's monitor sent a line that is too long");
		q->used += read_some(q->fd, q->in + q->used, sizeof(q->in) - q->used, "monitor");
	}
}

/* The answer is in q->line. */
static void command(struct qmp *q, char *json)
{
	write_all(q->fd, json, strlen(json));
	do {
		await_line(q);
		if (strstr(q->line, "\"error\":"))
			die("QEMU refuses %s: %s", json, q->line);
	} while (!strstr(q->line, "\"return\":"));
	free(json);
}

static void await_migration(struct qmp *q, const char *what)
{
	while (!q->migration)
		await_line(q);
	if (q->migration < 0)
		die("%s failed: %s", what, q->line);
	q->migration = 0;
}

void qmp_open(struct qmp *q, int fd)
{
	q->fd = fd;
	q->used = 0;
	q->migration = 0;
	await_line(q);
	command(q, text("{\"execute\":\"qmp_capabilities\"}"));
	command(q, text("{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
			"{\"capability\":\"events\",\"state\":true},"
			"{\"capability\":\"x-ignore-shared\",\"state\":true}]}}"));
}

/* QEMU cleans up after it has told the end, and refuses another migration until then. */
static void await_cleanup(struct qmp *q)
{
	do
		command(q, text("{\"execute\":\"query-yank\"}"));
	while (strstr(q->line, "\"migration\""));
}

void qmp_save(struct qmp *q, const char *file)
{
	command(q, text("{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"file:%s\"}}", file));
	await_migration(q, "saving the VM");
	await_cleanup(q);
}

void qmp_load(struct qmp *q, const char *file)
{
	command(q, text("{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"file:%s\"}}", file));
	await_migration(q, "restoring the VM");
}

void qmp_run(struct qmp *q)
{
	command(q, text("{\"execute\":\"cont\"}"));
}

uint64_t qmp_generation(struct qmp *q)
{
	const char *number;

	command(q, text("{\"execute\":\"query-vm-generation-id\"}"));
	number = strstr(q->line, "\"generation\":");
	if (!number)
		die("the device has no generation counter: %s", q->line);
	return strtoull(strchr(number, ':') + 1, NULL, 10);
}

void qmp_drain(struct qmp *q)
{
	do {
		while (take_line(q))
			;
		q->used += read_ready(q->fd, q->in + q->used, sizeof(q->in) - q->used);
	} while (memchr(q->in, '\n', q->used));
}
