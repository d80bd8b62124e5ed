# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Tests and the fuzz target of the view's ELF core.  To be included, or by itself:
#
#   make -f view/core.mk check-core         unit tests, in a second
#   make -f view/core.mk check-core-guest   gdb, crash and drgn open the core of a guest
#   make -f view/core.mk fuzz-core          RUNS inputs (1 million)
#
# in qemu-device/vmfork.  BUILD= is where outputs go.

BUILD     ?= build
Q         ?= $(if $(V),,@)
CORE_RUNS ?= $(or $(RUNS),1000000)

CORE_SRC   := view/core.c view/paging.c
CORE_DEPS  := $(CORE_SRC) view/core.h view/paging.h view/core.mk
CORE_FLAGS := -std=gnu11 -D_FILE_OFFSET_BITS=64 -g -Wall -Wextra -Werror -Wshadow \
              -Wmissing-prototypes -Wvla -Iview
CORE_SANE  := -fsanitize=address,undefined -fno-sanitize-recover=all

check-core: $(BUILD)/test/core $(BUILD)/test/paging
	$(Q)$(BUILD)/test/paging
	$(Q)$(BUILD)/test/core

check-core-guest: $(BUILD)/core-cat
	$(Q)CORE_CAT=$(abspath $(BUILD))/core-cat ../../selftests/harness/run-bats test/core-guest.bats

fuzz-core: $(BUILD)/fuzz/core
	$(Q)mkdir -p $(BUILD)/fuzz/corpus-core
	$(Q)$(BUILD)/fuzz/core -runs=$(CORE_RUNS) -seed=1 -max_len=2048 -verbosity=0 \
		-print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/core- $(BUILD)/fuzz/corpus-core

$(BUILD)/test/core $(BUILD)/test/paging: $(BUILD)/test/%: test/%.c test/tables.h $(CORE_DEPS)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 $(CORE_FLAGS) -D_GNU_SOURCE $(CORE_SANE) -o $@ $< $(CORE_SRC)

$(BUILD)/core-cat: test/core-cat.c $(CORE_DEPS)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 $(CORE_FLAGS) -D_GNU_SOURCE -o $@ $< $(CORE_SRC)

$(BUILD)/fuzz/core: fuzz/core.c $(CORE_DEPS)
	$(Q)mkdir -p $(@D)
	$(Q)clang -O1 $(CORE_FLAGS) -D_GNU_SOURCE -fsanitize=fuzzer $(CORE_SANE) -o $@ $< $(CORE_SRC)

.PHONY: check-core check-core-guest fuzz-core
