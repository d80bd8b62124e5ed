# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# tap_number: numbers the "ok - ..." and "not ok - ..." lines on standard input,
# passes everything else as comments, ends with the plan.  Fails when a test did,
# or when there was none.
tap_number() {
	awk '
		!/^(not )?ok / { $0 = "# " $0 }
		/^ok / { sub(/^ok/, "ok " ++n) }
		/^not ok / { sub(/^not ok/, "not ok " ++n); bad = 1 }
		{ print; fflush() }
		END { print "1.." n + 0; exit bad || !n }'
}
