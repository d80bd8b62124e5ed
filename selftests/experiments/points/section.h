/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The critical sections, each a program in guest/, and where they may duplicate. */
#ifndef SECTION_H
#define SECTION_H

#include "tool.h"

enum shape {
	/* Exactly behind the last check. */
	BEHIND_THE_CHECK,
	/* Nowhere; exactly behind the last check, nobody takes what is handed out. */
	NOWHERE,
	EVERYWHERE,
	/*
	 * Exactly from one point on, the first at which the event of the restore can no
	 * longer come before the bytes are drawn: there, interrupts have just gone off.
	 */
	FROM_INTERRUPTS_OFF,
};

struct section {
	const char *name, *title;
	enum shape shape;
	unsigned int checks;	/* at least */
	unsigned int most;	/* duplicates behind the last check, or: */
	unsigned int least_percent, most_percent;	/* of the section is behind the only one */
	bool system_call;	/* is the point of no return, and what is in it does not count */
	bool conditional;	/* what it hands out counts in its own generation only */
	bool counter;		/* of the device */
	bool notified;		/* the guest is; else only who looks can know */
	const char *function;	/* in which interrupts go off */
};

const struct section *section_find(const char *name);
void section_list(void);

#endif
