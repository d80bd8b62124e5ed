/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The steps of the verbs at which a test makes the command die: it is compiled with
 * -DVMFORK_TEST and started with VMFORK_DIE_AT=STEP.  This list is all of them, in order;
 * "vmfork steps" of such a build prints it.
 */
#ifndef VMFORK_STEPS_H
#define VMFORK_STEPS_H

#define STEPS(STEP)							\
	STEP(RUN_RECORDED, "run-recorded")				\
	STEP(RUN_DISKS, "run-disks")					\
	STEP(RUN_READY, "run-ready")					\
	STEP(LAUNCH_BOUND, "launch-bound")				\
	STEP(LAUNCH_FORKED, "launch-forked")				\
	STEP(LAUNCH_NOTED, "launch-noted")				\
	STEP(LAUNCH_EXECUTED, "launch-executed")			\
	STEP(LAUNCH_CONNECTED, "launch-connected")			\
	STEP(LAUNCH_LOADED, "launch-loaded")				\
	STEP(SNAPSHOT_RECORDED, "snapshot-recorded")			\
	STEP(SNAPSHOT_NOTED, "snapshot-noted")				\
	STEP(SNAPSHOT_GUARDED, "snapshot-guarded")			\
	STEP(SNAPSHOT_PREPARED, "snapshot-prepared")			\
	STEP(SNAPSHOT_OPENED, "snapshot-opened")			\
	STEP(SNAPSHOT_SERVED, "snapshot-served")			\
	STEP(SNAPSHOT_ARMED, "snapshot-armed")				\
	STEP(SNAPSHOT_STOPPED, "snapshot-stopped")			\
	STEP(SNAPSHOT_STATE, "snapshot-state")				\
	STEP(SNAPSHOT_NOTES, "snapshot-notes")				\
	STEP(SNAPSHOT_HANDING, "snapshot-handing")			\
	STEP(SNAPSHOT_FROZEN, "snapshot-frozen")			\
	STEP(SNAPSHOT_DISKS, "snapshot-disks")				\
	STEP(SNAPSHOT_KEPT, "snapshot-kept")				\
	STEP(SNAPSHOT_REBASED, "snapshot-rebased")			\
	STEP(SNAPSHOT_CONTINUED, "snapshot-continued")			\
	STEP(SNAPSHOT_DESCRIBED, "snapshot-described")			\
	STEP(FORK_RECORDED, "fork-recorded")				\
	STEP(FORK_DISKS, "fork-disks")					\
	STEP(FORK_LOADED, "fork-loaded")				\
	STEP(FORK_RUNNING, "fork-running")				\
	STEP(ROLLBACK_NOTED, "rollback-noted")				\
	STEP(ROLLBACK_GUARDED, "rollback-guarded")			\
	STEP(ROLLBACK_DISKS, "rollback-disks")				\
	STEP(ROLLBACK_LOADED, "rollback-loaded")			\
	STEP(ROLLBACK_COMMITTED, "rollback-committed")			\
	STEP(ROLLBACK_ENDED, "rollback-ended")				\
	STEP(ROLLBACK_TAKEN, "rollback-taken")				\
	STEP(ROLLBACK_RUNNING, "rollback-running")			\
	STEP(SAVE_BEGUN, "save-begun")					\
	STEP(SAVE_RAM, "save-ram")					\
	STEP(SAVE_COPIED, "save-copied")				\
	STEP(SAVE_SYNCED, "save-synced")				\
	STEP(SAVE_RENAMED, "save-renamed")				\
	STEP(RM_MARKED, "rm-marked")					\
	STEP(RM_ENDED, "rm-ended")					\
	STEP(RM_CLOSED, "rm-closed")					\
	STEP(RM_UNMOUNTED, "rm-unmounted")				\
	STEP(RM_RELEASED, "rm-released")

#define STEPS_ENUM(id, name) STEP_##id,
enum step { STEPS(STEPS_ENUM) STEP_COUNT };

#ifdef VMFORK_TEST
void step(enum step at);
/* What takes the work of a dead one over goes through the same steps. */
void step_disarm(void);
#else
#define step_disarm() do { } while (0)
#define step(at) do { } while (0)
#endif

#endif
