# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Reads what several programs print as TAP, one after the other, and prints it as one: the
# tests are numbered anew, and one plan is at the end.  A program that skips all is one test
# that is skipped.  A plan that is not kept is a test that fails.  Exit status 1: one failed.

function verdict(line) {
	print line
	number++
	fflush()
}

# A plan may stand before its tests or behind them.
function settle() {
	if (planned != "" && planned != seen)
		verdict("not ok " (number + 1) " - a program planned " planned " tests and reported " seen)
	failed += planned != "" && planned != seen
	planned = ""
	seen = 0
}

/^1\.\.0/ {
	settle()
	sub(/^1\.\.0[ \t]*/, "")
	verdict("ok " (number + 1) " - all of a program " $0)
	next
}

/^1\.\.[0-9]+/ {
	if (planned != "")
		settle()
	planned = substr($1, 4) + 0
	if (seen)
		settle()
	next
}

/^(not )?ok([ \t]|$)/ {
	if (planned != "" && seen == planned)
		settle()
	seen++
	failed += $1 == "not"
	word = $1 == "not" ? "not ok" : "ok"
	sub(/^(not )?ok[ \t]*[0-9]*[ \t]*/, "")
	verdict(word " " (number + 1) " " $0)
	next
}

{ print; fflush() }

END {
	if (planned == "" && seen) {
		verdict("not ok " (number + 1) " - a program ended without a plan")
		failed++
	}
	settle()
	print "1.." number + 0
	exit failed > 0
}
