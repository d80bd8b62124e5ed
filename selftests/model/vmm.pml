/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The virtual machine monitor: QEMU's hw/acpi/vmgenctr.c, and hw/acpi/vmgenid.c as the
 * patches leave it.
 *
 * A restore is atomic, for no vCPU runs meanwhile.  All that is in the guest stays as
 * it was saved; the counter page, the GUID and the pending event are new.  There is one
 * machine in the model.  Its twin, which was restored from the same state, goes through
 * the same steps with another GUID.  Hence two clones emit the same bytes where these
 * depend on no GUID and generation but those from before the restore, and this is what
 * the properties look at: see IS_FRESH() in protocol.pml.
 */

#ifndef RESTORES
#define RESTORES 2
#endif

#define MAX(a, b) (a > b -> a : b)

mtype = { VMGENCTR_FRESH, VMGENCTR_REVERTING, VMGENCTR_LOADED };

/* The state of the device.  A GUID that is drawn is one more than all before. */
byte guid = 1;
byte generation = 1;

/* What the guest sees of it. */
byte counter_page = 1;
byte guid_page = 1;
bool gpe = false;

/* These mean something while the machine is stopped only. */
hidden mtype phase;
hidden byte loaded;
hidden byte before;
hidden byte same_guid;
hidden byte moved;
hidden byte told_before;
hidden byte moves;
hidden byte again;

byte restores = 0;

inline vmgenctr_init()
{
	generation = 1;
	phase = VMGENCTR_FRESH
}

inline vmgenctr_revert()
{
	generation++;
	phase = VMGENCTR_REVERTING
}

inline vmgenctr_moved()
{
#ifdef migration_is_a_restore
	moved = false
#elif defined(revert_is_a_migration)
	moved = (same_guid && loaded >= generation)
#else
	moved = (phase != VMGENCTR_REVERTING && same_guid && loaded >= generation)
#endif
}

inline vmgenctr_load()
{
	vmgenctr_moved();
	if
	:: moved -> generation = loaded
	:: else ->
#ifdef live_generation_forgotten
		generation = 0;
#elif !defined(second_stream_repeats)
		generation = generation + (phase == VMGENCTR_LOADED -> 1 : 0);
#endif
#ifndef loaded_generation_forgotten
		generation = MAX(generation, MAX(loaded, 1) + 1)
#endif
	fi;
	phase = VMGENCTR_LOADED
}

inline vmgenid_update_counter_page()
{
#ifndef page_written_late
	counter_page = generation
#else
	skip
#endif
}

inline vmgenid_regenerate_guid()
{
	guid++
}

inline vmgenid_revert()
{
	vmgenctr_revert();
	vmgenid_update_counter_page()
}

inline vmgenid_update_guest()
{
	guid_page = guid;
#ifndef no_notification
	gpe = gpe || !moved
#endif
}

inline vmgenid_post_load()
{
	vmgenctr_load();
	vmgenid_update_counter_page();
	vmgenid_update_guest();
	CHECK_READY
}

/*
 * How the machine comes to be loaded: by another process, to which management has given
 * another GUID;
 */
inline COPY()
{
	restores++;
	before = generation;
	loaded = generation;
	moves = false;
	again = true;
#ifndef copy_is_a_migration
	same_guid = false;
#else
	same_guid = true;
#endif
	vmgenid_regenerate_guid();
	vmgenctr_init()
}

/* by another process with the same GUID, which is a migration; */
inline MOVE()
{
	loaded = generation;
	moves = true;
	again = true;
	same_guid = true;
	vmgenctr_init()
}

/*
 * or by the same process, which goes back to a snapshot.  An older one has not seen the
 * generations that ran since, which the guest that is restored is told by a larger step.
 */
inline REVERT(older)
{
	restores++;
	loaded = generation;
	generation = generation + older;
	before = generation;
	moves = false;
	again = false;
	same_guid = true;
	vmgenid_revert()
}

/* The same by a process that has just begun, and knows of no generation but its own. */
inline REVERT_AT_START()
{
	restores++;
	before = generation;
	loaded = generation;
	moves = false;
	again = false;
	same_guid = true;
	vmgenctr_init();
	vmgenid_revert()
}

/*
 * Who has moved sees nothing of it.  Everybody else has a generation that neither he nor
 * this process has had.
 */
inline LOAD()
{
	told_before = gpe;
	vmgenid_post_load();
	HOLDS(generation_increases, moves || generation > before);
	HOLDS(move_is_unseen, !moves ||
	      (generation == loaded && counter_page == loaded && gpe == told_before))
}

/* A process may take the same stream once more, and drop what it had made of it. */
inline LOAD_AND_MAYBE_AGAIN()
{
	do
	:: LOAD();
#ifndef SOFTWARE
		if
		:: again -> again = false; before = generation
		:: break
		fi
#else
		break
#endif
	od
}
