#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# G6: poll() is level-triggered and per open file; only read() clears it;
# epoll_ctl(ADD) eats nothing.  Across a restore; changes within a running guest are
# the kselftests' business.

load helpers

# POLLIN | POLLRDNORM
readonly IN=65

restore_poller() {
	vm_restore parent "$FIXTURE/$1"
	in_background parent polling pollspan
	vm_save parent "$BATS_TEST_TMPDIR/polling"
	vm_stop parent
	vm_restore clone "$BATS_TEST_TMPDIR/polling"
	background_output clone polling > "$BATS_TEST_TMPDIR/out"
	is "$(vm_run clone 'grep before= /run/out')" before=0 "poll() before the change"
	values "$BATS_TEST_TMPDIR/out"
}

check_poller() {
	is "${G[wakeup]}" $IN "the sleeper"
	is "${G[still]}" $IN "poll() again, without read()"
	is "${G[after_read]}" 0 "poll() after read()"
	is "${G[other_file]}" $IN "another file"
	is "${G[level]}" 1 "epoll_wait(), level-triggered"
	is "${G[level_again]}" 1 "epoll_wait() again, level-triggered"
	is "${G[edge]}" 1 "epoll_wait(), edge-triggered"
	is "${G[edge_again]}" 0 "epoll_wait() again, edge-triggered"
	is "${G[added_late]}" 1 "a file that is added after the change"
	is "${G[not_eaten_by_add]}" $IN "poll() after EPOLL_CTL_ADD"
	is "${G[level_after_read]}" 0 "epoll_wait() after read(), level-triggered"
	is "${G[new_file]}" 0 "a file that is opened after the change"
}

@test "G6: a restore wakes who sleeps in poll(), and only read() clears it" {
	restore_poller hypervisor
	check_poller
}

@test "G6: the same in software mode" {
	restore_poller software
	check_poller
}
