# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Thin: everything is done by scripts/, each of which explains itself with --help.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The scripts decide about parallel jobs; nothing here may run beside another.
.NOTPARALLEL:

help: ## list the targets
	@sed -n -E 's/^([a-z-]+):.* ## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
	@echo
	@echo 'V=1 shows what the commands print; VMGEN_CACHE= is where sources and builds'
	@echo 'are kept [~/.cache/vmgen].  Missing packages are installed by apt (as root).'

demo: ## restore eight clones from one snapshot and watch them diverge
	@scripts/setup run
	@scripts/demo

demo-view: ## snapshot a guest that works on, read its frozen memory, fork it, roll it back
	@scripts/setup run
	@scripts/demo-view

test: ## build everything, test on all kernels
	@scripts/setup test
	@scripts/test

check: ## what needs no kernel and no QEMU: scripts, headers, library, patches
	@scripts/setup test
	@scripts/test check

test-debug: ## the driver's tests, and restores, under KASAN, lockdep and kmemleak
	@scripts/setup test
	@scripts/test debug restores

test-long: ## what else there is: debug kernel, migrations, streams, boot, facts, newest QEMU
	@scripts/setup test
	@scripts/test debug restores each stepped vmfork-long long facts bases

# Fewer restores are no evidence: the document stays as it is.
endurance: ## 10,000 restores of one lineage, continued if interrupted (COUNT=, MINUTES=)
	@scripts/setup test
	@evidence=; [ $(or $(COUNT),10000) -lt 10000 ] || evidence='--evidence Documentation/evidence/endurance.md'; \
	selftests/harness/run-endurance $(if $(MINUTES),--minutes $(MINUTES)) $$evidence $(COUNT)

patches-check: ## all series on each base, every patch built alone
	@scripts/setup test
	@scripts/test each

proof: ## clones at every instruction of critical sections: the full table (hours; MINUTES=)
	@scripts/setup test
	@selftests/experiments/points/run $(if $(MINUTES),--minutes $(MINUTES)) \
		--evidence Documentation/evidence

shell: ## a shell in a guest with /dev/vmgenctr
	@scripts/setup run
	@scripts/shell

bench: ## what checks, the OpenSSL provider and waiting cost, here and in a guest
	@scripts/setup test
	@scripts/bench

experiments: ## what clones have in common, and for how long: into Documentation/evidence (ONLY=)
	@scripts/setup evidence
	@scripts/experiments $(addprefix --only ,$(ONLY))

fuzz: ## 10 million malformed pages and messages for each parser of libvmgen
	@scripts/setup test
	@$(MAKE) -s -C libvmgen fuzz

install: ## install libvmgen (DESTDIR=, PREFIX=)
	@$(MAKE) -C libvmgen install

clean: ## delete what was built in the checkout
	@$(MAKE) -C libvmgen clean

clean-cache: ## delete the sources and builds in the cache
	@scripts/build --clean

.PHONY: help demo demo-view test check test-debug test-long endurance patches-check proof shell bench experiments fuzz install clean clean-cache
