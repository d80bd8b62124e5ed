/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb.h"

static unsigned int checksum(const char *s, size_t size)
{
	unsigned int sum = 0;

	while (size--)
		sum += (unsigned char)*s++;
	return sum & 0xff;
}

/* The plus acknowledges the reply before. */
static __attribute__((format(printf, 2, 3))) void send_packet(struct gdb *g, const char *format, ...)
{
	char body[256], packet[300];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(body, sizeof(body), format, args);
	va_end(args);
	n = snprintf(packet, sizeof(packet), "+$%s#%02x", body, checksum(body, (size_t)n));
	write_all(g->fd, packet, (size_t)n);
}

/* Moves the first packet received into g->reply, if it is complete. */
static bool take_packet(struct gdb *g)
{
	char *start = memchr(g->in, '$', g->used);
	char *end = start ? memchr(start, '#', g->used - (size_t)(start - g->in)) : NULL;
	size_t size;

	if (!end || end + 3 > g->in + g->used)
		return false;
	size = (size_t)(end - start - 1);
	if (size >= sizeof(g->reply) || strtoul((char[]){ end[1], end[2], '\0' }, NULL, 16) !=
					checksum(start + 1, size))
		die("the gdb stub sent a damaged packet");
	memcpy(g->reply, start + 1, size);
	g->reply[size] = '\0';
	g->used -= (size_t)(end + 3 - g->in);
	memmove(g->in, end + 3, g->used);
	return true;
}

static const char *await_packet(struct gdb *g)
{
	while (!take_packet(g)) {
		if (g->used == sizeof(g->in))
			die("the gdb stub sent a packet that is too long");
		g->used += read_some(g->fd, g->in + g->used, sizeof(g->in) - g->used, "gdb stub");
	}
	return g->reply;
}

/* A little-endian number in hexadecimal bytes. */
static uint64_t parse_bytes(const char *hex)
{
	uint64_t value = 0;
	unsigned int byte;

	for (int shift = 0; shift < 64 && sscanf(hex, "%2x", &byte) == 1; shift += 8, hex += 2)
		value |= (uint64_t)byte << shift;
	return value;
}

void gdb_attach(struct gdb *g, int fd)
{
	g->fd = fd;
	g->used = 0;
	send_packet(g, "?");
	await_packet(g);
}

uint64_t gdb_read_register(struct gdb *g, enum gdb_register number)
{
	send_packet(g, "p%x", number);
	return parse_bytes(await_packet(g));
}

uint64_t gdb_read_word(struct gdb *g, uint64_t address)
{
	send_packet(g, "m%" PRIx64 ",8", address);
	if (strlen(await_packet(g)) != 16)
		die("the gdb stub cannot read memory at %" PRIx64 ": %s", address, g->reply);
	return parse_bytes(g->reply);
}

/* Z sets and z clears; 0 is a breakpoint, 3 stops at loads. */
static void change_point(struct gdb *g, const char *how, uint64_t address, int size)
{
	send_packet(g, "%s,%" PRIx64 ",%d", how, address, size);
	if (strcmp(await_packet(g), "OK"))
		die("the gdb stub refuses %s at %" PRIx64 ": %s", how, address, g->reply);
}

void gdb_break_at(struct gdb *g, uint64_t address)
{
	change_point(g, "Z0", address, 1);
}

void gdb_no_break_at(struct gdb *g, uint64_t address)
{
	change_point(g, "z0", address, 1);
}

void gdb_watch_loads(struct gdb *g, uint64_t address, int size)
{
	change_point(g, "Z3", address, size);
}

void gdb_no_watch(struct gdb *g, uint64_t address, int size)
{
	change_point(g, "z3", address, size);
}

bool gdb_step(struct gdb *g)
{
	send_packet(g, "s");
	gdb_await_stop(g);
	return strstr(g->reply, "watch:");
}

void gdb_continue(struct gdb *g)
{
	send_packet(g, "c");
}

void gdb_await_stop(struct gdb *g)
{
	if (strncmp(await_packet(g), "T05", 3))
		die("the VM stopped for another reason than a breakpoint: %s", g->reply);
}
