/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel: drivers/virt/vmgenctr.c, and the notification in vmgenid.c.
 *
 * Of the CRNG it is assumed what add_vmfork_randomness() promises: when that returns,
 * what getrandom(2) gives depends on what was mixed in.  crng.pml shows that it does.
 */

/* The CRNG: the id on which its key depends, which is the last that was mixed in. */
vmgenctr_id key;
#ifdef BOOT
vmgenctr_id pool;
bool crng_ready = false;
#else
#define crng_ready true
#endif

/* struct vmgenctr, and its pages */
bool lock = false;
bool in_kernel[THREADS];	/* who has the lock: a call has no effect before */
vmgenctr_id seen;
byte info_generation;
bool info_reseeded;
byte status_generation;
bool status_reseeded;
#ifdef SOFTWARE
byte count = 1;
byte page = 1;
#define LIVE_GENERATION page
#else
#define LIVE_GENERATION counter_page
#endif

#ifdef POLLERS
bool woken[THREADS];	/* who sleeps in poll() */
#endif

/* What is local to a function is under the lock, too, so one set is enough. */
vmgenctr_id id;
byte old;
bool ready;

/*
 * For the properties: what a call must not miss, which is what was restored before it
 * began or before its last reseed ended; and what it looked at last.
 */
byte asked_guid;
byte asked_generation;
byte looked;

#define ASK asked_guid = guid; asked_generation = generation
#define IS_ANSWERED(a) \
	(a.lo >= asked_guid && a.hi >= asked_guid && (IN_SOFTWARE || a.generation >= asked_generation))

#define MUTEX_LOCK atomic { !lock -> lock = true; ASK }

/* What else is in an answer, where somebody looks at it. */
#if defined(GETRANDOM) || defined(POLLERS)
#define REST_OF_INFO(reseeded, last) vouched = reseeded; checked = last
#define LOOKED_AT looked = guid;
#else
#define REST_OF_INFO(reseeded, last) skip
#define LOOKED_AT
#endif

#define MUTEX_UNLOCK \
	atomic { \
		id.lo = 0; id.hi = 0; id.generation = 0; old = 0; \
		ready = false; \
		asked_guid = 0; asked_generation = 0; looked = 0; \
		lock = false \
	}

inline vmgenctr_write_generation()
{
	page = id.generation
}

inline vmgenctr_write_status()
{
	status_generation = info_generation;
	status_reseeded = info_reseeded;
	CHECK_READY
}

inline vmgenctr_live_generation(ret)
{
	ret = LIVE_GENERATION
}

/* In the guest's memory, hence no restore takes it back without taking back all else. */
inline vmgenctr_count(ret)
{
	count++;
	ret = count
}

inline vmgenctr_copy_guid()
{
	id.lo = guid_page;
	atomic {
		id.hi = guid_page;
		LOOKED_AT
		old = info_generation
	}
}

/* Without the second look at the generation, which no property depends on. */
inline vmgenctr_sample()
{
	vmgenctr_live_generation(id.generation);
	vmgenctr_copy_guid()
}

inline vmgenctr_crng_ready(ret)
{
	ret = crng_ready
}

/* add_vmfork_randomness() reseeds only if the CRNG is ready. */
inline vmgenctr_mix()
{
#ifdef BOOT
	d_step {
		SET(pool, id)
	};
	if
	:: d_step {
		crng_ready ->
		SET(key, pool);
		CHECK_READY
	}
	:: else
	fi
#else
	d_step {
		SET(key, id);
		CHECK_READY
	}
#endif
}

/* wake_up_interruptible_all() of those in poll(); the uevent is one more of its kind. */
inline WAKE_ALL()
{
#if !defined(POLLERS) || defined(change_does_not_wake)
	skip
#elif defined(change_wakes_one)
	if
	:: woken[0] = true
	:: woken[1] = true
	fi
#else
	d_step {
		woken[0] = true;
		woken[1] = true
	}
#endif
}

#ifndef only_the_next_wakes
#define WAKES (id.generation != old)
#else
#define WAKES (id.generation == old + 1)
#endif

/* Nobody else sees what is stored here but the status page. */
inline vmgenctr_enter()
{
#ifndef ready_before_reseed
	vmgenctr_mix();
#endif
	vmgenctr_crng_ready(ready);
	d_step {
		SET(seen, id);
		info_generation = id.generation;
		info_reseeded = ready;
		vmgenctr_write_status();
		ASK
	}
#ifdef ready_before_reseed
	;
	vmgenctr_mix()
#endif
}

#define OTHER (id.lo != seen.lo || id.hi != seen.hi)

/* Ends the loop of vmgenctr_catch_up() where the driver returns false. */
inline vmgenctr_advance()
{
	vmgenctr_sample();
	if
	:: atomic {
		!OTHER && id.generation == old ->
		HOLDS(never_ready_ahead, !info_reseeded || SAME(key, id));
		break
	}
	:: else
	fi;
#ifdef SOFTWARE
	if
	:: atomic {
		OTHER ->
		vmgenctr_count(id.generation)
	}
	:: else
	fi;
#ifndef page_after_reseed
	vmgenctr_write_generation();
#endif
#endif
	vmgenctr_enter();
#if defined(SOFTWARE) && defined(page_after_reseed)
	vmgenctr_write_generation();
#endif
	if
	:: WAKES -> WAKE_ALL()
	:: else
	fi
}

/* What was mixed in before the CRNG became ready is in its first key. */
inline vmgenctr_note_crng()
{
#if defined(BOOT) && !defined(readiness_is_no_reason)
	vmgenctr_crng_ready(ready);
	if
	:: d_step {
		ready && !info_reseeded ->
		info_reseeded = true;
		vmgenctr_write_status()
	}
	:: else
	fi
#else
	skip
#endif
}

inline vmgenctr_catch_up()
{
	do
	:: vmgenctr_advance();
#ifdef looked_at_once
		break
#endif
	od;
	vmgenctr_note_crng()
}

inline vmgenctr_update()
{
	MUTEX_LOCK;
	vmgenctr_catch_up();
	MUTEX_UNLOCK
}

inline vmgenctr_get_info(ret)
{
	atomic {
		MUTEX_LOCK;
		in_kernel[me] = true
	};
#ifndef read_without_pull_check
	vmgenctr_catch_up();
#endif
	atomic {
		ret = info_generation;
		REST_OF_INFO(info_reseeded, looked);
		HOLDS(never_ready_ahead, !info_reseeded || IS_ANSWERED(key));
		in_kernel[me] = false;
		MUTEX_UNLOCK
	}
}

inline vmgenctr_read_iter(ret)
{
	vmgenctr_get_info(ret)
}

#ifndef no_notification
/* Late by nature, and never lost: the event stays pending until it is handled. */
proctype vmgenid_acpi_handler()
{
end:	do
	:: gpe ->
#ifndef event_cleared_late
		gpe = false;
#endif
		vmgenctr_update();
#ifdef event_cleared_late
		gpe = false
#endif
	od
}
#endif
