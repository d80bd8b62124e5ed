/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The critical sections, each a program in guest/, and where they may duplicate. */
#ifndef SECTION_H
#define SECTION_H

#include "tool.h"

enum shape {
	/* Exactly behind the last load of the live generation. */
	BEHIND_THE_CHECK,
	/* Nowhere. */
	NOWHERE,
	/*
	 * Exactly from one point on, the first at which the event of the restore can no
	 * longer come before the bytes are drawn: there, interrupts have just gone off.
	 */
	FROM_INTERRUPTS_OFF,
};

struct section {
	const char *name, *title;
	enum shape shape;
	unsigned int checks;	/* loads of the live generation, at least */
	/* Of the points in user space, how many may duplicate, and must at least. */
	unsigned int most, least_percent;
	bool conditional;	/* what it hands out counts in its own generation only */
	bool counter;		/* of the device */
};

const struct section *section_find(const char *name);
void section_list(void);

#endif
