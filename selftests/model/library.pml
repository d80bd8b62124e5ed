/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libvmgen: include/vmgen.h and src/{guard,record,vmgenctr,random}.c.
 *
 * Each step is one access to memory that others write: the pages, the records, the
 * newest of them.  A process has records of its own, which are zero in the child of a
 * fork.  A fork may come between any two steps, as it may where a signal handler forks,
 * but not inside of a system call.
 */

#ifdef FORK
#define PROCESSES 2
#else
#define PROCESSES 1
#endif
#define RECORDS 12
#define NEVER 0		/* vmgen_never: a record that is 0 and stays so */

typedef source {
	byte used;
	byte live;
	byte record[RECORDS]
};

source sources[PROCESSES];
byte process[THREADS];	/* that a thread is in */

/* What the state of a thread was made from.  No code looks at it, but the properties. */
typedef seed {
	vmgenctr_id from;
	byte process
};

seed state[THREADS];

#define MINE sources[process[me]]

/* Of a thread: its guard, and what is local to the functions below. */
#define LOCALS \
	byte guard = NEVER; \
	byte record = NEVER; \
	byte epoch = NEVER; \
	byte word; \
	byte live; \
	byte expected; \
	byte checked; \
	byte drawn; \
	bool vouched; \
	bool fresh; \
	bool same

/* What no later step looks at must not tell states apart. */
#define FORGET_THE_LOOK record = NEVER; word = 0; fresh = false

#define FORGET \
	atomic { \
		FORGET_THE_LOOK; epoch = NEVER; live = NEVER; expected = 0; \
		checked = 0; drawn = 0; vouched = false; same = false \
	}

#define IS_SAME_PROCESS (state[me].process == process[me])

/* Blocks until the CRNG is ready. */
inline fill()
{
	d_step {
		crng_ready ->
		SET(state[me].from, key);
		state[me].process = process[me];
#ifdef GETRANDOM
		drawn = guid
#endif
	}
}

/* The load that counts: whoever goes on has seen the live word as of here. */
inline vmgen_live_word()
{
	d_step {
		word = LIVE_GENERATION;
		fresh = IS_FRESH(state[me].from)
	}
}

/* vmgen_is_live() is the two of them. */
#define IS_LIVE(r) (word + 1 == MINE.record[r])

inline ask_pages()
{
	word = LIVE_GENERATION;
	if
#ifdef ready_not_awaited
	:: break
#else
	:: atomic {
		status_generation == word && status_reseeded ->
		REST_OF_INFO(true, guid);
		break
	}
	:: else
#endif
	fi
}

/*
 * That the answer is the live word saves a round and nothing else: a record of an older
 * word is not live, which everybody looks at afterwards.
 */
inline ask_kernel()
{
	vmgenctr_read_iter(word);
#ifndef answer_not_compared
	if
	:: word == LIVE_GENERATION -> break
	:: else
	fi
#else
	break
#endif
}

#if !defined(SOFTWARE) || defined(software_mode_trusts_the_page)
#define ASK_PAGES ask_pages();
#else
#define ASK_PAGES
#endif

inline vmgenctr_sync()
{
	do
	:: ASK_PAGES
		ask_kernel()
	od
}

inline record_claim()
{
	d_step {
		assert(MINE.used < RECORDS - 1);
#ifndef record_reused
		MINE.used++;
		record = MINE.used
#else
		record = 1
#endif
	}
}

inline record_write()
{
	MINE.record[record] = word + 1
}

/* Losing the last step to another thread costs a record and nothing else. */
inline vmgen_record_get()
{
	live = MINE.live;
	if
	:: atomic { MINE.record[live] == word + 1 -> record = live; live = NEVER; word = 0 }
	:: else ->
		record_claim();
		record_write();
		atomic {
			MINE.live = (MINE.live == live -> record : MINE.live);
			live = NEVER;
			word = 0
		}
	fi
}

inline vmgen_epoch_read()
{
	vmgenctr_sync();
	vmgen_record_get()
}

inline guard_set(to)
{
	guard = to
}

/* Half way, and the state is of no epoch at all. */
#define RESEED_FAILS \
	d_step { \
		state[me].from.lo = 0; state[me].from.hi = 0; state[me].from.generation = 0 \
	} -> break

/*
 * The second look is for who does not retry.  vmgen_retry() sees the same, so that no
 * output depends on it.
 */
inline vmgen_begin_slow()
{
	do
	::
#ifndef entropy_before_epoch
		vmgen_epoch_read();
#endif
#ifndef guard_moves_before_reseed
		guard_set(NEVER);
#else
		guard_set(record);
#endif
		if
		:: fill()
#ifndef RESEED_SUCCEEDS
		:: RESEED_FAILS
#endif
		fi;
#ifdef entropy_before_epoch
		vmgen_epoch_read();
#endif
		vmgen_live_word();
		if
		:: atomic {
#ifndef begin_does_not_look_again
			IS_LIVE(record) ->
#endif
			epoch = record;
			guard_set(record);
			FORGET_THE_LOOK;
			break
		}
#ifndef begin_does_not_look_again
		:: atomic { !IS_LIVE(record) -> FORGET_THE_LOOK }
#endif
		fi
	od
}

inline vmgen_begin()
{
	vmgen_live_word();
	if
	:: atomic { IS_LIVE(guard) -> epoch = guard; FORGET_THE_LOOK }
	:: atomic { !IS_LIVE(guard) -> FORGET_THE_LOOK };
		vmgen_begin_slow()
	fi
}

/*
 * The record tells of a fork and is loaded first; the live word tells of a restore and is
 * loaded last.  What comes between each of these loads and the point of no return is not
 * seen: the window that no check closes.
 */
inline vmgen_retry()
{
	d_step {
		expected = MINE.record[epoch];
		same = IS_SAME_PROCESS
	};
	vmgen_live_word()
}

#ifdef retry_always_false
#define RETRY false
#else
#define RETRY (word + 1 != expected)
#endif

/* The guard moves first, so a change before the reseed ends is one for the next call. */
inline vmgen_changed_slow()
{
	vmgen_epoch_read();
	guard_set(record)
}

inline verify()
{
	vmgen_epoch_read()
}

/* Kernel bytes between two looks that found the same epoch, or none at all. */
inline fill_in_epoch()
{
	verify();
	do
	:: atomic { !vouched -> epoch = NEVER; break }
	:: else ->
		epoch = record;
		fill();
#ifndef getrandom_trusts_the_page
		verify();
#endif
		vmgen_live_word();
		if
		:: atomic {
#ifndef getrandom_without_retry
			IS_LIVE(record) && epoch == record ->
#endif
			same = IS_SAME_PROCESS;
			break
		}
#ifndef getrandom_without_retry
		:: else
#endif
		fi
	od
}
