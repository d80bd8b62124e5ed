/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The random number generator of Linux, drivers/char/random.c, as a patch of the
 * series leaves it.  driver.pml takes for granted what is shown here: who calls
 * getrandom(2) when add_vmfork_randomness() has returned is given bytes of a key that
 * depends on the id that was mixed in.
 *
 * crng_reseed() takes a key from the pool under one lock, and installs it under another.
 * A machine that is saved between the two and restored has a key in hand that its twins
 * have, too.  It must not be installed after that of add_vmfork_randomness(), nor as the
 * first one if the CRNG was not ready to be reseeded, hence the forks are counted.
 *
 * -DBOOT         the CRNG is not ready to begin with
 * -DRESTORES=n   how often the machine is restored at most
 *
 * Not in the model: what is read before the CRNG is ready, of which nothing is promised,
 * and the memory order of a CPU.
 */

#ifndef RESTORES
#define RESTORES 2
#endif

byte guid = 1;		/* of the machine */
byte told = 1;		/* the one that add_vmfork_randomness() has returned for */

byte pool = 1;		/* the GUID that was mixed in last */

/* base_crng */
byte key = 1;		/* the GUID on which it depends */
byte vm_forks = 0;
bool lock = false;
#ifdef BOOT
bool is_ready = false;
#else
bool is_ready = true;
#endif

/* The crng of a CPU, and whether its generation is that of base_crng. */
byte cpu_key = 1;
bool cpu_is_current = true;

bool no_stale_key = true;

#define SPIN_LOCK atomic { !lock -> lock = true }
#define SPIN_UNLOCK lock = false

#define COUNT_THE_FORK \
	SPIN_LOCK; \
	vm_forks++; \
	SPIN_UNLOCK

inline extract_entropy()
{
	in_hand = pool
}

inline crng_reseed()
{
	do
	:: forks = vm_forks;
		extract_entropy();
		SPIN_LOCK;
		if
#ifndef overtaken_key_installed
		:: forks != vm_forks -> SPIN_UNLOCK
#endif
		:: else ->
			key = in_hand;
			cpu_is_current = false;
			is_ready = true;
			SPIN_UNLOCK;
			break
		fi
	od
}

inline crng_ready(ret)
{
	ret = is_ready
}

inline add_device_randomness()
{
	pool = id
}

inline add_vmfork_randomness()
{
#ifdef vm_forks_counted_early
	COUNT_THE_FORK;
#endif
	add_device_randomness();
#ifdef vm_forks_counted_unlocked
	vm_forks++;
#elif !defined(vm_forks_counted_early) && !defined(vm_forks_counted_late)
	COUNT_THE_FORK;
#endif
	crng_ready(ready);
	if
	:: ready -> crng_reseed()
	:: else
	fi
#ifdef vm_forks_counted_late
	;
	COUNT_THE_FORK
#endif
}

proctype Vmm()
{
end:	do
	:: guid < 1 + RESTORES -> guid++
	od
}

/* Hears of each restore at some time. */
proctype Driver()
{
	byte id = 1;
	byte in_hand;
	byte forks;
	bool ready;

end:	do
	:: atomic { id != guid -> id = guid };
		add_vmfork_randomness();
		atomic { told = id; in_hand = 0; forks = 0; ready = false }
	od
}

/* Reseeds again and again. */
proctype Worker()
{
	byte in_hand;
	byte forks;

	do
	:: crng_reseed()
	od
}

#ifdef BOOT
/* Has collected enough, and makes the CRNG ready. */
proctype Credit()
{
	byte in_hand;
	byte forks;

	run Worker();
	crng_reseed()
}
#endif

/* Goes on when the CRNG is ready, with the key of its CPU if nobody has reseeded. */
proctype Getrandom()
{
	byte asked;

	do
	:: atomic { is_ready -> asked = told };
		if
		:: !cpu_is_current ->
			SPIN_LOCK;
			cpu_key = key;
			cpu_is_current = true;
			SPIN_UNLOCK
		:: else
		fi;
		atomic {
			no_stale_key = (cpu_key >= asked);
			assert(no_stale_key);
			asked = 0
		}
	od
}

init {
	atomic {
#ifdef BOOT
		run Credit();
		cpu_is_current = false;
#else
		run Worker();
#endif
		run Driver();
		run Getrandom();
		run Vmm()
	}
}
