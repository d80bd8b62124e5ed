/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The sequence count of a generation page, and a reader whose loads of the generation are
 * of half a word each, as on a 32-bit machine.  Names as in protocol.pml.
 *
 * By default the hypervisor writes the page, while the reader is stopped; what it must
 * not do is to show the same count beside another generation, for the reader goes on
 * where it was.  With -DSOFTWARE the driver writes it, in steps, beside the reader; a
 * restore in the middle changes nothing of that, because all is in the guest's memory.
 * With -DSTATUS it is the status page that the driver writes, and what libvmgen reads must
 * be of one write: that the CRNG was reseeded, for which generation, and the instance id.
 *
 * Not in the model: that a reader gives up after VMGENCTR_READ_TRIES, and that a count of
 * 32 bits comes around.
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

#ifdef STATUS
byte status_generation = 1;
bool status_reseeded = true;

/* Every other write says that the CRNG was reseeded, and each has an id of its own. */
inline vmgenctr_write_status()
{
	generation < 1 + RESTORES;
	generation++;
#ifndef written_beside_the_count
	seq_count = seq_count + 1;
#endif
	status_reseeded = generation % 2;
	status_generation = generation;
	lo = LO(generation);
	hi = HI(generation);
#ifndef written_beside_the_count
	seq_count = seq_count + 1
#else
	seq_count = seq_count + 2
#endif
}
#endif

proctype Writer()
{
end:	do
#ifdef STATUS
	:: vmgenctr_write_status()
#elif defined(SOFTWARE)
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

#ifdef STATUS
/* Gives up where a count is odd or has moved, upon which libvmgen asks the kernel. */
inline vmgen_page_status()
{
	seq = seq_count;
	if
	:: seq % 2 == 0 ->
		ready = (status_generation == wanted);
		ready = ready && status_reseeded;
		read_lo = lo;
		read_hi = hi;
#ifndef count_not_compared
		ready = ready && seq == seq_count
#endif
	:: else
	fi;
	read = 2 * read_hi + read_lo
}

/* Wants to know of any generation: he may have seen it long ago. */
proctype Reader()
{
	byte wanted;
	byte seq;
	byte read_lo;
	byte read_hi;
	byte read;
	bool ready;

	do
	:: select(wanted : 1 .. 1 + RESTORES);
		vmgen_page_status();
		never_torn = (!ready || (read == wanted && wanted % 2 == 1));
		assert(never_torn);
		atomic { wanted = 0; seq = 0; read_lo = 0; read_hi = 0; read = 0; ready = false }
	od
}
#else
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
#endif

init {
	atomic {
		run Writer();
		run Reader()
	}
}
