/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The sequence count of a generation page, and a reader whose loads of the generation are
 * of half a word each, as on a 32-bit machine.  Names as in protocol.pml.
 *
 * By default the hypervisor writes the page, while the reader is stopped; what it must
 * not do is to show the same count beside another generation, for the reader goes on
 * where it was.  With -DSOFTWARE the driver writes it, in steps, beside the reader; a
 * restore in the middle changes nothing of that, because all is in the guest's memory.
 *
 * Not in the model: that a reader gives up after VMGENCTR_READ_TRIES.
 */

#ifndef RESTORES
#define RESTORES 4
#endif

#define LO(a) ((a) % 2)
#define HI(a) ((a) / 2)

byte generation = 1;
byte seq_count = 2;
byte lo = LO(1);
byte hi = HI(1);

bool never_torn = true;

/* One step: no vCPU runs.  The odd count in the middle is never seen. */
inline vmgenid_update_counter_page()
{
	d_step {
		generation < 1 + RESTORES ->
		generation++;
#ifndef sequence_repeats
		seq_count = 2 * generation;
#endif
		lo = LO(generation);
		hi = HI(generation)
	}
}

inline vmgenctr_write_generation()
{
	generation < 1 + RESTORES;
#ifndef written_beside_the_count
	seq_count = seq_count + 1;
#endif
	lo = LO(generation + 1);
	d_step {
		hi = HI(generation + 1);
		generation++
	};
#ifndef written_beside_the_count
	seq_count = seq_count + 1
#else
	seq_count = seq_count + 2
#endif
}

proctype Writer()
{
end:	do
#ifdef SOFTWARE
	:: vmgenctr_write_generation()
#else
	:: vmgenid_update_counter_page()
#endif
	od
}

/* What is returned was the generation at some time since the call: neither half is older. */
inline vmgenctr_read_generation()
{
	do
	:: d_step {
			seq = seq_count;
			oldest = generation
		};
		read_lo = lo;
		read_hi = hi;
		if
		:: seq % 2 == 0 && seq == seq_count -> break
		:: else
		fi
	od;
	read = 2 * read_hi + read_lo
}

proctype Reader()
{
	byte seq;
	byte oldest;
	byte read_lo;
	byte read_hi;
	byte read;

	do
	:: vmgenctr_read_generation();
		never_torn = (read >= oldest && read <= generation);
		assert(never_torn);
		atomic { seq = 0; oldest = 0; read_lo = 0; read_hi = 0; read = 0 }
	od
}

init {
	atomic {
		run Writer();
		run Reader()
	}
}
