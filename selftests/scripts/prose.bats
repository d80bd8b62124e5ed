#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What scripts/lint refuses in documents: each pattern by the example beside it, wherever
# lines are broken, and neither good text nor code.

load helpers

LIB=$BATS_TEST_DIRNAME/../../scripts/lib

# check NAME: the text on standard input as a document of that name
check() {
	cat > "$BATS_TEST_TMPDIR/$1"
	(cd "$BATS_TEST_TMPDIR" && "$LIB/check-prose" "$LIB/prose" "$1")
}

@test "each pattern refuses its example, by its suggestion, also where a line ends" {
	local pattern instead example n=0

	while IFS=$'\t' read -r pattern instead example; do
		[[ $pattern != '#'* ]] || continue
		for text in "$example" "Sentence one. $example" "${example// /$'\n'}"; do
			check example.md <<< "$text" | grep -qF ": $instead" || {
				echo "not refused by $pattern: $text"
				return 1
			}
		done
		n=$((n + 1))
	done < "$LIB/prose"
	[[ $n -ge 10 ]]
}

@test "what the issue named is refused" {
	local text

	for text in 'He who waits wants to see.' 'It has five, of which none is live.' \
		'Whoever has it knows.' 'Here nobody vouches for it.' 'A list of what is not there.'; do
		[[ $(check example.md <<< "$text") ]] || { echo "passes: $text"; return 1; }
	done
}

@test "good text passes" {
	run check good.md << 'END'
# What is guaranteed

The kernel reseeds. A program that waits for it calls read(). Who reads this page?
What happens next? The library tells what it has found and the user who has opened it.

- A guard that cannot be checked reports a change. None of its records is live then.

| what | where |
|---|---|
| what needs a restore | selftests/bats |
END
	[[ $status -eq 0 && -z $output ]] || { echo "$output"; return 1; }
}

@test "code is not prose" {
	run check code.md << 'END'
A program:

```c
/* Whoever calls this. */
```

    # nobody
END
	[[ -z $output ]] || { echo "$output"; return 1; }
	run check code.3 << 'END'
.\" nobody
.Sh EXAMPLES
.Bd -literal
/* Whoever calls this. */
.Ed
END
	[[ -z $output ]] || { echo "$output"; return 1; }
}

@test "a manual page is read across its macros, and the line is told" {
	run check page.3 << 'END'
.Sh DESCRIPTION
.Fn first
is good.
Of three records, of
which
.Fa none
is live.
.Pp
What
.Fn second
says is late.
.It nobody
END
	[[ $output == "page.3:4: 'of which': "* && $output == *$'\n'"page.3:9: 'What': "* &&
		$output == *$'\n'"page.3:12: 'nobody': "* && ${#lines[@]} -eq 3 ]] || { echo "$output"; return 1; }
}

@test "scripts/lint reads README, the manual pages and Documentation" {
	local file

	make_copy
	cp -r "$BATS_TEST_DIRNAME/../../"{README.md,.shellcheckrc} "$COPY"
	mkdir -p "$COPY"/libvmgen/{man,openssl,uring/man} "$COPY/Documentation/evidence"
	git -C "$COPY" init -q
	for file in README.md libvmgen/man/a.3 libvmgen/openssl/b.7 libvmgen/uring/man/c.3 \
		Documentation/d.md Documentation/evidence/e.md Documentation/f.rst; do
		echo 'Here nobody vouches.' > "$COPY/$file"
	done
	run "$COPY/scripts/lint"
	drop_copy
	for file in README.md libvmgen/man/a.3 libvmgen/openssl/b.7 libvmgen/uring/man/c.3 \
		Documentation/d.md Documentation/evidence/e.md Documentation/f.rst; do
		has "$file:1: 'nobody'"
	done
}
