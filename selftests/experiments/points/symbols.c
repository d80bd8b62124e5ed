/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"

struct symbol {
	uint64_t address;
	char *name;
};

static struct symbol *symbols;
static size_t count;

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct symbol *)a)->address, y = ((const struct symbol *)b)->address;

	return x < y ? -1 : x > y;
}

static void add(uint64_t address, const char *name)
{
	if (count % 1024 == 0)
		symbols = realloc(symbols, (count + 1024) * sizeof(*symbols));
	if (!symbols)
		die("out of memory");
	symbols[count].address = address;
	symbols[count++].name = text("%s", name);
}

/* Compilers and linkers leave labels among the functions that say nothing. */
static bool is_telling(char type, const char *name)
{
	return strchr("tTwWdDbB", type) && name[0] != '.' && strncmp(name, "__pfx_", 6) &&
	       strncmp(name, "__cfi_", 6);
}

void symbols_read(const char *file)
{
	FILE *f = fopen(file, "re");
	char line[512], name[400], type;
	uint64_t address;

	if (!f)
		die("%s: %s", file, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 " %c %399s", &address, &type, name) == 3 &&
		    is_telling(type, name))
			add(address, name);
	fclose(f);
	qsort(symbols, count, sizeof(*symbols), by_address);
}

uint64_t symbols_address(const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(symbols[i].name, name))
			return symbols[i].address;
	die("there is no symbol %s", name);
}

/* The last one at or below; the marks of the section are no functions. */
static const struct symbol *find(uint64_t address)
{
	size_t low = 0, high = count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	while (low && !strncmp(symbols[low - 1].name, "section_", 8))
		low--;
	return low ? &symbols[low - 1] : NULL;
}

const char *symbols_function(uint64_t address)
{
	const struct symbol *s = find(address);

	return s ? s->name : "?";
}

const char *symbols_place(uint64_t address)
{
	static char places[4][440];
	static unsigned int turn;
	char *place = places[turn++ % 4];
	const struct symbol *s = find(address);

	snprintf(place, sizeof(places[0]), "%s+0x%" PRIx64, s ? s->name : "?",
		 address - (s ? s->address : 0));
	return place;
}
