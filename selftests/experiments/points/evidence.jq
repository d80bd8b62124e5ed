# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Documentation/evidence/snapshot-points.md from the results of a run.

def cell: gsub("\\|"; "\\|");
def row: "| " + (map(tostring | cell) | join(" | ")) + " |";
def code: "`" + . + "`";

def every: if .tried == .points then "every one" else "\(.tried)" end;
def check: if .last_check then "\(.last_check.number), \(.last_check.at | code)" else "none" end;

def summary:
	([ "section", "what it does", "points", "tried", "duplicate", "withheld",
	   "duplicate without a new generation", "duplicates expected", "so it is" ] | row),
	([ "---", "---", "--:", "--:", "--:", "--:", "--:", "---", "---" ] | row),
	(.sections[] | [ .section, .title, .points, every, .duplicates, .withheld,
		"\(.control_duplicates) of \(.tried)", .expected,
		(if .as_expected then "yes" else "**no**" end) ] | row);

def total:
	"In all \([.sections[].points] | add) instructions in \(.sections | length) sections," +
	" of which \([.sections[].tried] | add) were tried.";

def ranges:
	([ "section", "last check at", "clones", "from", "to", "from", "to" ] | row),
	([ "---", "---", "---", "--:", "--:", "---", "---" ] | row),
	(.sections[] | . as $section | .ranges[] |
		[ $section.section, ($section | check),
		  (if .duplicate then "hand out the same" else "differ" end),
		  .first, .last, (.from | code), (.to | code) ] | row);

"<!-- SPDX-License-Identifier: LGPL-2.1-or-later OR MIT -->",
"<!-- Written by \"\(.command)\".  Do not edit. -->",
"# At which instructions does a snapshot still duplicate an output?",
"",
"A point is the boundary before one instruction of a critical section. At each of them",
"the guest was stopped and saved, and three clones of it ran on: two with GUIDs of",
"their own, so that the device gave them a new generation, and a control with the",
"parent's GUID, which for the device is a migration. A point *duplicates* when the two",
"hand out the same. The control must hand out what the parent does, everywhere: else",
"the method would miss duplicates. A point is *withheld* when what the clones hand out",
"names a generation that is over, so that nobody takes it.",
"",
"| | |",
"|---|---|",
(["command", (.command | code)] | row),
(.versions | to_entries[] | [ .key, .value ] | row),
"",
"TCG, one processor, the real device and driver. The parent is stepped with interrupts",
"masked; clones run freely, in instruction-counted time (`-icount`), so *where* a",
"notification comes is reproducible. Where time is real it may come later, which is worse",
"for who relies on it, as getrandom() does, and the same for who checks.",
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
