/*
 * View of guest memory for another process
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_RAM_VIEW_H
#define SYSTEM_RAM_VIEW_H

#include "exec/cpu-common.h"

#ifdef CONFIG_LINUX

/**
 * ram_view_is_open: whether a view is open
 *
 * Only ram-view-open opens a view, but it can be closed at any time.
 * Call it with the BQL held.
 */
bool ram_view_is_open(void);

/**
 * ram_view_has_block: whether a view has this block
 * @rb: the block
 *
 * The answer stays the same while a migration is running: no view can be opened
 * then, and if the view is closed, its blocks count until the next migration.
 */
bool ram_view_has_block(RAMBlock *rb);

/**
 * ram_view_drop_blocks: let go of the blocks of a view that was closed
 *
 * Call it with the BQL held, when a migration begins.
 */
void ram_view_drop_blocks(void);

/**
 * ram_view_add_blocker: allow no view from now on
 * @reason: what writes to guest memory so that no write fault reports
 *     it, and what can be done about it; must stay valid
 * @errp: set when a view is open
 *
 * Call it with the BQL held.  Returns whether the blocker was added.
 */
bool ram_view_add_blocker(Error *reason, Error **errp);

/**
 * ram_view_del_blocker: take back ram_view_add_blocker()
 * @reason: as was passed to ram_view_add_blocker()
 */
void ram_view_del_blocker(Error *reason);

#else

static inline bool ram_view_is_open(void)
{
    return false;
}

static inline bool ram_view_has_block(RAMBlock *rb)
{
    return false;
}

static inline void ram_view_drop_blocks(void)
{
}

static inline bool ram_view_add_blocker(Error *reason, Error **errp)
{
    return true;
}

static inline void ram_view_del_blocker(Error *reason)
{
}

#endif /* CONFIG_LINUX */

#endif
