/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual machine generation counter
 *
 * Decides which generation a guest is told when its state is loaded.  Has no
 * guest interface of its own: a device publishes the value.
 */

#ifndef HW_ACPI_VMGENCTR_H
#define HW_ACPI_VMGENCTR_H

/* The largest generation that a guest may run with, see vmgenctr_revert() */
#define VMGENCTR_GENERATION_MAX (UINT64_MAX - 1)

typedef enum VmgenctrPhase {
    VMGENCTR_FRESH,     /* nothing has been loaded into this process */
    VMGENCTR_REVERTING, /* the machine was reset to load a snapshot in place */
    VMGENCTR_LOADED,    /* generation is that of a state that was loaded */
} VmgenctrPhase;

typedef struct VmgenctrState {
    uint64_t generation;
    VmgenctrPhase phase;
} VmgenctrState;

/**
 * vmgenctr_init: start to count
 * @s: the counter
 * @floor: the least generation that the guest may be told, 0 for no floor
 * @errp: set when @floor is larger than any generation
 *
 * Returns: whether @s was initialized.
 */
bool vmgenctr_init(VmgenctrState *s, uint64_t floor, Error **errp);

/**
 * vmgenctr_revert: the running state is being replaced within this process
 * @s: the counter
 *
 * To be called before the first byte of a snapshot is loaded in place, so that
 * no page holds the old generation beside the new memory.  The snapshot may
 * have run in the next one already, which vmgenctr_load() will tell; if the
 * load stops before that, the machine must not run before it is reset.  Cannot
 * fail: when the counter is exhausted it stays at UINT64_MAX, and no load
 * succeeds.
 */
void vmgenctr_revert(VmgenctrState *s);

/**
 * vmgenctr_load: a state has been loaded
 * @s: the counter
 * @loaded: the generation that the state was saved with, 0 if it has none
 * @same_guid: whether it was saved with the GUID that this process presents
 * @ret_changed: set to whether the guest must be told of a new generation
 * @errp: set when there is no generation left
 *
 * Returns: whether the guest may run.  If not, @s and @ret_changed are
 * unchanged.
 */
bool vmgenctr_load(VmgenctrState *s, uint64_t loaded, bool same_guid,
                   bool *ret_changed, Error **errp);

#endif
