# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Judges the ledger that run-endurance keeps, in TAP without numbers and plan.  Knows
# the rules, and nothing of how the machines were made to follow them.
#
#	boot P GENERATION REPORT		process P began
#	save S P				it was saved as S
#	clone P S GENERATION [REPORT]		S was restored in a new process P
#	load P S GENERATION [REPORT]		S was restored in place, in P
#	move P S GENERATION INSTANCE		S goes on in P, under the same GUID
#	round SECONDS				that is how long the lines since the last took
#	session TIME LOAD			somebody began, or went on
#
# GENERATION is QEMU's word, REPORT that of witness.c in the guest, with what it took
# in milliseconds at the end.  Without one, the machine was saved again before it had
# said anything.

function complain(rule, text) {
	if (++bad[rule] <= 3)
		print "line " NR ": " $0 "\n" text
}

function verdict(rule) {
	print (bad[rule] ? "not ok" : "ok") " - endurance: " rule
}

# remember TO FROM: the state of a process is that of its snapshot, and the reverse
function remember(to, from, way) {
	instance[to] = instance[from]
	unseen[to] = unseen[from]
	for (way = 1; way <= WAYS; way++)
		seen[to, way] = seen[from, way]
}

# What the guest said, from field F on, in generation G of process P: every way to look
# has shown the changes since the last report of this memory.  One that was restored
# once more before it looked has never been.
function report(p, g, f, way, told) {
	if ($(f) != g || $(f + 1) != g || $(f + 2) != 1)
		complain(READY, "the guest is ready for " $(f + 1) ", reseeded: " $(f + 2))
	if ($(f + 3) in instances || $(f + 4) in randoms)
		complain(UNIQUE, "seen before")
	instances[$(f + 3)] = randoms[$(f + 4)] = 1
	instance[p] = $(f + 3)
	for (way = 1; way <= WAYS; way++) {
		told = $(f + 4 + way) - seen[p, way]
		if (told < (unseen[p] > 0) || told > unseen[p])
			complain(ONCE, name[way] " told " told " of " unseen[p] " changes")
		seen[p, way] = $(f + 4 + way)
	}
	if ($(f + 10) != "ok")
		complain(ONCE, "the guest says " $(f + 10))
	unseen[p] = 0
	took[++reports] = $(f + 11)
}

# Snapshot S was restored in P, which is new or has lived through other generations.  A
# generation that is wrong breaks one rule: the first of these three.
function restored(p, s, g) {
	restores++
	if (g <= generation[s])
		complain(INCREASES, "not after " generation[s])
	else if ((p, g) in given)
		complain(NEVER_TWICE, "given out before")
	else if (g != (generation[s] > live[p] ? generation[s] : live[p]) + 1)
		complain(NEXT, "expected the next after " generation[s] " and " live[p] + 0)
	given[p, g] = 1
	live[p] = g
	if (g > highest)
		highest = g
	remember(p, s)
	unseen[p]++
}

BEGIN {
	WAYS = split("page vmgen_changed read poll uevent", name)
	INCREASES = "the generation increases with every restore"
	NEVER_TWICE = "no process hands one out twice"
	NEXT = "none is left out, and siblings get the same one"
	UNIQUE = "instance ids and random numbers never repeat"
	READY = "the kernel becomes ready for each, and has reseeded"
	ONCE = "page, vmgen_changed(), read(), poll() and uevent tell each once"
	MOVED = "a machine that moves keeps its generation and instance id"
	KNOWN = "the ledger is well-formed"
}

$1 == "boot" {
	live[$2] = $3
	for (way = 1; way <= WAYS; way++)
		seen[$2, way] = $(8 + way)
	instance[$2] = $7
	instances[$7] = randoms[$8] = 1
	next
}

$1 == "save" {
	generation[$2] = live[$3]
	remember($2, $3)
	next
}

$1 ~ /^(clone|load|move)$/ && !($3 in generation) {
	complain(KNOWN, "nothing was saved as " $3)
	next
}

$1 == "clone" || $1 == "load" {
	kinds[$1]++
	restored($2, $3, $4)
	if (NF > 4)
		report($2, $4, 5)
	next
}

$1 == "move" {
	kinds[$1]++
	live[$2] = $4
	remember($2, $3)
	if ($4 != generation[$3] || $5 "" != instance[$3] "")
		complain(MOVED, "was " generation[$3] " " instance[$3])
	next
}

$1 !~ /^(round|session)$/ { complain(KNOWN, "not known") }

END {
	verdict(KNOWN)
	verdict(INCREASES)
	verdict(NEVER_TWICE)
	verdict(NEXT)
	verdict(UNIQUE)
	verdict(READY)
	verdict(ONCE)
	verdict(MOVED)
	printf "%d restores: %d in new processes, %d in place; %d moves; up to generation %d\n",
		restores, kinds["clone"], kinds["load"], kinds["move"], highest
	if (restores >= want)
		print "ok - endurance: " want " restores"
	else if (why == "")
		print "not ok - endurance: " want " restores # it ended after " restores + 0
	else
		print "ok - endurance: " want " restores # SKIP " why " after " restores + 0
}
