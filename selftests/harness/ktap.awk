# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# awk -v name=PREFIX [-v only=REGEX] -f ktap.awk: flattens KTAP, from a kernel's
# console or from a kselftest, into one "ok" or "not ok" line per test, without
# number and plan.  A plan that is missing or not fulfilled is a failed test.

# What printk puts in front of a line.
function message(line) {
	sub(/\r$/, "", line)
	while (line ~ /^\[[^]]*\] ?/)
		sub(/^\[[^]]*\] ?/, "", line)
	return line
}

function report(verdict, what, why) {
	if (only == "" || what ~ only)
		print verdict " - " name ": " what why
}

# Ends all blocks that are deeper than this.
function close_blocks(depth,   d) {
	for (d = deepest; d > depth; d--) {
		if (!(d in planned))
			continue
		if (planned[d] != seen[d])
			report("not ok", path(d) "all tests report", \
			       sprintf(" # %d of %d did", seen[d], planned[d]))
		delete planned[d]
		delete subtest[d]
	}
	if (deepest > depth)
		deepest = depth
}

function path(depth,   d, p) {
	for (d = 1; d <= depth; d++)
		if (d in subtest)
			p = p subtest[d] " "
	return p
}

{
	line = message($0)
	match(line, /^ */)
	depth = int(RLENGTH / 4)
	line = substr(line, RLENGTH + 1)
}

line ~ /^(KTAP version|TAP version) / { next }

line ~ /^# Subtest: / {
	subtest[depth] = substr(line, 12)
	next
}

line ~ /^1\.\.[0-9]+/ {
	close_blocks(depth - 1)
	planned[depth] = substr(line, 4) + 0
	seen[depth] = 0
	deepest = depth
	plans++
	if (match(line, /# *SKIP/) && ++tests)
		report("ok", path(depth) "all tests", " # SKIP " substr(line, RSTART + RLENGTH + 1))
	next
}

line ~ /^(not )?ok [0-9]+/ {
	parent = deepest > depth
	close_blocks(depth)
	seen[depth]++
	tests++
	verdict = line ~ /^not/ ? "not ok" : "ok"
	sub(/^(not )?ok [0-9]+ *(- )?/, "", line)
	why = ""
	if (match(line, /# *SKIP/)) {
		why = " # SKIP " substr(line, RSTART + RLENGTH + 1)
		line = substr(line, 1, RSTART - 1)
		sub(/[ #]+$/, "", line)
	}
	# A block was summed up by its own lines, unless it failed as a whole.
	if (!parent || (verdict == "not ok" && !failed[depth + 1]))
		report(verdict, path(depth) line, why)
	if (verdict == "not ok")
		failed[depth] = 1
	failed[depth + 1] = 0
	next
}

END {
	close_blocks(-1)
	if (!plans || !tests)
		report("not ok", "there are tests", " # no " (plans ? "test" : "plan") " at all")
}
