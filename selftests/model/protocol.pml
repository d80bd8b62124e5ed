/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The protocol: a machine that is restored at any moment, its kernel, and two threads of
 * a process that may fork.  "run" has it checked, whole and broken.
 *
 * -DGUARDED=0, -DLOOKER=1, -DGETRANDOM=0, -DPOLLERS   what thread 0 and thread 1 do
 * -DALONE        there are none, and the device does all that it can
 * -DSOFTWARE     there is no counter page but that of the driver
 * -DFORK         one of the threads may fork, and goes on as the child
 * -DBOOT         the CRNG is not ready to begin with
 * -DRESTORES=n   how often the machine is restored at most
 * -DRESEED_SUCCEEDS, -DANSWERED   a property of all that comes is looked at
 *
 * Every other -D breaks one line.  They are those of "run", and have the names of the
 * patches in selftests/mutants, other than those that "run" lists.
 *
 * Names in lower case are those of functions, whose steps these are; names in capitals
 * are the model's own.
 *
 * "run" requires that each step is reached.  Of what is in a d_step spin sees the first
 * statement only, hence nothing there depends on anything.
 *
 * Not in the model:
 * - the memory order of a CPU: what is here is sequentially consistent
 * - the sequence counts, for which see seqcount.pml: a page is read and written in a step
 * - of the device: a load that fails or is cut off, a floor, a target without counter, the
 *   end of the counter
 * - of the driver: the probe and what was restored before its first look, an unbind,
 *   other vmfork notifiers, the instance id, a page of its own beside the hypervisor's
 *   where those of the kernel are larger
 * - of the library: vmclock, sysgenid and uevents; a source that is replaced; a sync that
 *   fails, hence records that run out or are retired, and the ends of SYNC_TRIES,
 *   FILL_TRIES and EPOCH_TRIES; vmgen_once, vmgen_commit(), vmgen_write(), vmgen_seal()
 * - more than one fork: grandchildren, and two children
 */

#define THREADS 2

/* A GUID is copied in two steps, between which the machine may be restored. */
typedef vmgenctr_id {
	byte lo;
	byte hi;
	byte generation
};

#define SAME(a, b) (a.lo == b.lo && a.hi == b.hi && a.generation == b.generation)
#define SET(a, b) a.lo = b.lo; a.hi = b.hi; a.generation = b.generation

/*
 * Fresh: no other clone has it, for it depends on what this restore has brought.  In
 * software mode the page lags behind the restore, so that what a thread that looks at
 * the page may know is no more than what the kernel has been told.
 */
#ifdef SOFTWARE
#define IN_SOFTWARE true
#define IS_FRESH(a) SAME(a, key)
#else
#define IN_SOFTWARE false
#define IS_FRESH(a) (a.lo == guid && a.hi == guid && a.generation == generation)
#endif

/* The properties; "run" may have one alone looked at. */
bool no_stale_output = true;
bool no_lost_change = true;
bool never_ready_ahead = true;
bool generation_increases = true;
bool move_is_unseen = true;

#define HOLDS(property, condition) \
	property = property##_IGNORED || (condition); \
	assert(property)

#ifndef no_stale_output_IGNORED
#define no_stale_output_IGNORED false
#endif
#ifndef no_lost_change_IGNORED
#define no_lost_change_IGNORED false
#endif
#ifndef never_ready_ahead_IGNORED
#define never_ready_ahead_IGNORED false
#endif
#ifndef generation_increases_IGNORED
#define generation_increases_IGNORED false
#endif
#ifndef move_is_unseen_IGNORED
#define move_is_unseen_IGNORED false
#endif

/* What the status page says, at any moment. */
#define CHECK_READY \
	HOLDS(never_ready_ahead, !status_reseeded || \
	      (status_generation <= key.generation && \
	       (IN_SOFTWARE || status_generation != counter_page || IS_FRESH(key))))

#include "vmm.pml"
#include "driver.pml"
#include "library.pml"

/* Whoever restores the machine. */
#ifdef page_written_late
#define LATE ; counter_page = generation
#else
#define LATE
#endif

proctype Vmm()
{
end:	do
	:: atomic {
		restores < RESTORES ->
		if
		:: COPY()
		:: MOVE()
		:: vmgenid_regenerate_guid();
			REVERT(0)
#ifndef SOFTWARE
		/* A GUID that the user has set is not replaced: the generation alone tells. */
		:: REVERT(1)
#endif
#ifdef ALONE
		/* As much as the one before to a guest, for which it would cost states. */
		:: REVERT_AT_START()
#endif
		fi;
		LOAD_AND_MAYBE_AGAIN()
	} LATE
	od
}

#ifdef GUARDED
/* What vmgen_retry() lets pass is of this restore and of this process. */
proctype Guarded(byte me)
{
	LOCALS;

	do
	:: vmgen_begin();
		if
		:: epoch != NEVER ->
			vmgen_retry();
			if
			:: atomic {
				!RETRY ->
#ifdef sent_later
				skip
			};
			d_step {
				fresh = IS_FRESH(state[me].from);
#endif
				HOLDS(no_stale_output, fresh && same)
			}
			:: else
			fi
		:: else
		fi;
		FORGET
	od
}
#endif

#ifdef LOOKER
/* What vmgen_changed() finds unchanged is of this restore and of this process. */
proctype Looker(byte me)
{
	LOCALS;

	do
	:: vmgen_live_word();
		if
		:: atomic {
			IS_LIVE(guard) ->
			HOLDS(no_lost_change, fresh && IS_SAME_PROCESS)
		}
		:: else ->
			vmgen_changed_slow();
			fill()
		fi;
		FORGET
	od
}
#endif

#ifdef GETRANDOM
/*
 * What vmgen_getrandom() returns is of this restore and of this process.  In software mode
 * it is of the restore that the last look at the GUID saw, which came after it was drawn.
 */
#define AS_CHECKED \
	(state[me].from.lo == checked && state[me].from.hi == checked && checked >= drawn)

bool answered;

proctype Getrandom(byte me)
{
	LOCALS;

	do
	:: fill_in_epoch();
		atomic {
			HOLDS(no_stale_output,
			      epoch == NEVER || (same && (IN_SOFTWARE -> AS_CHECKED : fresh)));
#ifdef ANSWERED
			answered = (epoch != NEVER);
#endif
			FORGET
		}
	od
}
#endif

#ifdef POLLERS
/* Sleeps in poll() until there is a change, reads it, and sleeps again. */
byte file_seen[THREADS] = 1;
byte told_guid[THREADS] = 1;
byte told_generation[THREADS] = 1;

inline vmgenctr_poll()
{
	woken[me] = false;
	atomic {
		change = (LIVE_GENERATION != file_seen[me]);
#ifdef poll_eats_event
		file_seen[me] = LIVE_GENERATION
#endif
	}
}

proctype Poller(byte me)
{
	byte answer;
	byte checked;
	bool change;
	bool vouched;

	do
	/* As epoll_ctl(EPOLL_CTL_ADD) does, and then the one who waits. */
	:: vmgenctr_poll();
		vmgenctr_poll();
		if
		:: change ->
			vmgenctr_read_iter(answer);
			d_step {
				told_guid[me] = checked;
				told_generation[me] = answer
			};
			file_seen[me] = answer
		:: else ->
end:			woken[me]
		fi
	od
}
#endif

#ifdef FORK
/* A child of the process, which has all of it but the records. */
inline BECOME_CHILD(thread)
{
	d_step {
		!in_kernel[thread] ->
		sources[1].used = sources[0].used;
		sources[1].live = sources[0].live;
#ifdef fork_not_wiped
		r = 1;
		do
		:: r < RECORDS -> sources[1].record[r] = sources[0].record[r]; r++
		:: else -> break
		od;
#endif
		process[thread] = 1
	}
}

proctype Fork()
{
	byte r;
end:	if
	:: BECOME_CHILD(0)
#if defined(GUARDED) && defined(LOOKER)
	:: BECOME_CHILD(1)
#endif
	fi
}
#endif

#ifdef BOOT
/*
 * crng_reseed() for the first time: for who looks at its outcome it is one step, as
 * crng.pml shows.  In a kernel without that patch it is two.
 */
proctype Crng()
{
	vmgenctr_id extracted;

	d_step {
		SET(extracted, pool)
#ifdef overtaken_key_installed
	};
	d_step {
#else
		;
#endif
		SET(key, extracted);
		crng_ready = true
	}
}
#endif

/* No lost change, as the threads see it that only wait, or only produce. */
#ifdef POLLERS
#ifdef SOFTWARE
#define TOLD(thread) (told_guid[thread] == guid)
#else
#define TOLD(thread) (told_generation[thread] == generation)
#endif
ltl every_change_is_told { []<> (TOLD(0) && TOLD(1)) }
#endif
#ifdef RESEED_SUCCEEDS
#define SEEDED (state[0].from.lo == guid && state[0].from.hi == guid && \
		(IN_SOFTWARE || state[0].from.generation == generation))
ltl every_change_is_learned { []<> SEEDED }
#endif
#ifdef ANSWERED
ltl every_call_is_answered { []<> answered }
#endif

#define START(a) a.lo = 1; a.hi = 1; a.generation = 1

init {
	atomic {
		START(seen);
		info_generation = 1;
		status_generation = 1;
#ifdef BOOT
		START(pool);
		run Crng();
#else
		START(key);
		info_reseeded = true;
		status_reseeded = true;
#endif
#ifdef GUARDED
		run Guarded(GUARDED);
#endif
#ifdef LOOKER
		run Looker(LOOKER);
#endif
#ifdef GETRANDOM
		run Getrandom(GETRANDOM);
#endif
#ifdef POLLERS
		run Poller(0);
		run Poller(1);
#endif
#ifdef FORK
		run Fork();
#endif
#ifndef no_notification
		run vmgenid_acpi_handler();
#endif
		run Vmm()
	}
}
