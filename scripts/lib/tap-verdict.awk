# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# awk -v part=NAME -v counts=FILE -f tap-verdict.awk: reads TAP, passes it on, and
# writes "passed failed skipped" to FILE.  Strict: whatever is missing, out of order
# or unexplained is one more failure.
#
# -v failures=FILE  add to it what failed, as "UNIT: test", one a line
# -v names=FILE  also write the names of the tests, one a line
# -v cut=FILE    if there is such a file in the end, the tests were stopped: what is missing
#                is for the caller to count

function complain(why) {
	print "not ok - " part ": " why
	fail(why)
}

function fail(what) {
	failed++
	if (failures != "")
		print part ": " what >> failures
}

function directive(line, name) {
	return match(line, "#[ \t]*" name)
}

{ print; fflush() }

/^1\.\.[0-9]+/ {
	if (planned != "")
		complain("a second plan")
	planned = substr($1, 4) + 0
	if (planned == 0) {
		if (directive($0, "SKIP[ \t]+[^ \t]"))
			skipped++
		else
			complain("an empty plan without a reason")
		empty = 1
	}
	next
}

/^Bail out!/ { complain($0); next }

/^(not )?ok([ \t]|$)/ {
	seen++
	number = $0
	sub(/^(not )?ok[ \t]*/, "", number)
	if (number ~ /^[0-9]+/ && number + 0 != seen)
		complain("test " (number + 0) " where " seen " is due")
	sub(/^[0-9]*[ \t]*(- )?/, "", number)
	sub(/[ \t]*#.*/, "", number)
	if (names != "")
		print number > names
	if ($1 == "not")
		fail(number)
	else if (directive($0, "TODO"))
		complain("a TODO is not done")
	else if (!directive($0, "[Ss][Kk][Ii][Pp]"))
		passed++
	else if (directive($0, "[Ss][Kk][Ii][Pp][A-Za-z]*[ \t:]+[^ \t]"))
		skipped++
	else
		complain("a skip without a reason")
}

END {
	if (cut != "" && (getline line < cut) >= 0)
		;
	else if (planned == "")
		complain("there is no plan: the tests did not end")
	else if (planned != seen + 0)
		complain("the plan says " planned " tests, " seen + 0 " reported")
	else if (!seen && !empty)
		complain("no verdict at all")
	print passed + 0, failed + 0, skipped + 0 > counts
}
