/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual machine generation counter
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/acpi/vmgenctr.h"

bool vmgenctr_init(VmgenctrState *s, uint64_t floor, Error **errp)
{
    if (floor > VMGENCTR_GENERATION_MAX) {
        error_setg(errp, "generation must be at most %" PRIu64,
                   VMGENCTR_GENERATION_MAX);
        return false;
    }
    s->generation = MAX(floor, 1);
    s->phase = VMGENCTR_FRESH;
    return true;
}

void vmgenctr_revert(VmgenctrState *s)
{
    if (s->generation <= VMGENCTR_GENERATION_MAX) {
        s->generation++;
    }
    s->phase = VMGENCTR_REVERTING;
}

/*
 * A stream is either a virtual machine that moves or a copy that starts a life
 * of its own.  Only management can tell them apart, and says so by the GUID.
 * A machine that has moved cannot have lost generations on the way, so one that
 * claims a smaller value than its floor, or than it had here, is a copy.
 */
static bool vmgenctr_moved(const VmgenctrState *s, uint64_t loaded,
                           bool same_guid)
{
    return s->phase != VMGENCTR_REVERTING && same_guid &&
           loaded >= s->generation;
}

bool vmgenctr_load(VmgenctrState *s, uint64_t loaded, bool same_guid,
                   bool *ret_changed, Error **errp)
{
    bool moved = vmgenctr_moved(s, loaded, same_guid);
    uint64_t next;

    if (moved) {
        next = loaded;
    } else {
        /*
         * The generation is the floor, or the successor of the one that ran
         * before the revert, and still unused; but an earlier load used it up.
         * A state without a counter may have been the first generation.
         */
        next = s->generation + (s->phase == VMGENCTR_LOADED);
        next = MAX(next, MAX(loaded, 1) + 1);
    }
    if (MAX(next, loaded) > VMGENCTR_GENERATION_MAX) {
        error_setg(errp, "the VM generation counter is exhausted");
        return false;
    }

    s->generation = next;
    s->phase = VMGENCTR_LOADED;
    *ret_changed = !moved;
    return true;
}
