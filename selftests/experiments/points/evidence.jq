# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Documentation/evidence/snapshot-points.md from the results of a run.

def cell: gsub("\\|"; "\\|");
def row: "| " + (map(tostring | cell) | join(" | ")) + " |";
def code: "`" + . + "`";

def every: if .tried == .points then "every one" else "\(.tried)" end;
# A check may be of several loads, and the last of them is the one that counts.
def check: if .last_check then "\(.last_check.number), \(.last_check.at | code)" else "none" end;

def summary:
	([ "section", "what it does", "points", "tried", "duplicate", "withheld",
	   "duplicate without a new generation", "duplicates expected", "so it is" ] | row),
	([ "---", "---", "--:", "--:", "--:", "--:", "--:", "---", "---" ] | row),
	(.sections[] | [ .section, .title, .points, every, .duplicates, .withheld,
		"\(.control_duplicates) of \(.tried)", .expected,
		(if .as_expected then "yes" else "**no**" end) ] | row);

# "unnotified" runs the very instructions of "getrandom".
def distinct: [.sections[] | select(.section != "unnotified")];
def sum(f): map(f) | add;

def total:
	"In all \(.sections | sum(.points)) points in \(.sections | length) sections;" +
	" \(.sections | sum(.tried)) were tried. They are before \(distinct | sum(.points)) executed" +
	" instructions: `unnotified` goes through those of `getrandom` once more. An instruction in a" +
	" loop is executed, and counted, in each round.";

def kind: {
	fresh: "differ, and from the parent", duplicate: "hand out the same",
	withheld: "hand out a value that no receiver takes", mixed: "**one so, one so**" }[.];

def ranges:
	([ "section", "last check at", "clones", "from", "to", "from", "to" ] | row),
	([ "---", "---", "---", "--:", "--:", "---", "---" ] | row),
	(.sections[] | . as $section | .ranges[] |
		[ $section.section, ($section | check),
		  (.clones | kind),
		  .first, .last, (.from | code), (.to | code) ] | row);

"<!-- SPDX-License-Identifier: LGPL-2.1-or-later OR MIT -->",
"<!-- Written by \"\(.command)\".  Do not edit. -->",
"# At which instructions does a snapshot still duplicate an output?",
"",
"A point is the boundary before one instruction of a critical section. At each of them",
"the guest was stopped and saved, and three clones of it ran on: two with GUIDs of",
"their own, so that the device gave them a new generation, and a control with the",
"parent's GUID, which for the device is a migration. A point *duplicates* when the output",
"of both is that of the parent; else the outputs must differ, from each other and from the",
"parent's. The output of the control must be the parent's, everywhere: else the method",
"would miss duplicates. A point is *withheld* when the output of the clones names a",
"generation that is over, so that no receiver takes it.",
"",
"| | |",
"|---|---|",
(["command", (.command | code)] | row),
(.versions | to_entries[] | [ .key, .value ] | row),
"",
"TCG, one processor, the real device and driver. The parent is stepped with interrupts",
"masked; clones run freely, in instruction-counted time (`-icount`). The generator of the",
"guest's kernel was seeded once, by init, with 32 constant bytes that were credited in",
"full (selftests/harness/init.c). `-cpu qemu64` has no RDRAND and no RDSEED.",
"",
"*The guest is not notified of the restore*: the event is masked in it before the section",
"begins. So no event helps a section that looks at the wrong place or too early, and a",
"kernel that reseeds does so because a program asked it. The one exception is `getrandom`.",
"There the event is let through, and comes as early as it can: before the next instruction",
"wherever interrupts are on. Where time is real it comes later; `unnotified` is the worst",
"case of that.",
"",
summary,
"",
total,
"",
"## Ranges",
"",
"Numbers are instructions since the beginning of the section.",
"",
ranges,
(if any(.sections[]; .tried < .points) then
	"",
	"Where not every point was tried, the ends of a range are exact all the same: all",
	"points near them were. A run goes on where earlier ones stopped, so more points may",
	"have been tried than the stride of this one asks for."
else empty end)
