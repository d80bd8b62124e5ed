# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What keeps the storage daemon running, and the tests of disks.  Those need libnbd, and
# find vmfork-storage beside themselves.

STORAGE_OBJ := $(patsubst %,$(BUILD)/command/%.o,cancel disk disk-job error image job layers \
                 lock process progress qmp storage store switch)
DISK_TESTS  := $(patsubst test/%.c,$(BUILD)/test/%,$(wildcard test/disk*.c))
NBD_FLAGS    = $(shell $(PKGCONFIG) --cflags --libs libnbd)

all: $(BUILD)/vmfork-storage

$(BUILD)/vmfork-storage: storage/main.c $(STORAGE_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMAND_CFLAGS) -I. $(LDFLAGS) -o $@ $^ \
		$(COMMAND_LIBS) -lpthread

$(BUILD)/test/vmfork-storage: $(BUILD)/vmfork-storage
	$(Q)mkdir -p $(@D)
	$(Q)ln -sf ../vmfork-storage $@

$(DISK_TESTS) $(BUILD)/test/bench-disk: $(BUILD)/test/%: test/%.c test/disk-test.h \
		$(STORAGE_OBJ) | $(BUILD)/test/vmfork-storage
	$(call say,TEST)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(COMMAND_CFLAGS) -I. -o $@ $< $(STORAGE_OBJ) \
		$(COMMAND_LIBS) $(NBD_FLAGS) -lpthread

install: install-storage
install-storage: $(BUILD)/vmfork-storage
	$(Q)$(INSTALL) -D -m 755 $< $(DESTDIR)$(LIBEXEC)/vmfork-storage

check-parts: check-disk
check-disk: $(DISK_TESTS)
	$(Q)for test in $(DISK_TESTS); do $$test || exit 1; done

# 1,000 deaths of the daemon under a client that writes
ROUNDS ?= 1000
check-disk-kill: $(BUILD)/test/disk-kill
	$(Q)$< $(ROUNDS)

# fio by NBD beside fio on a file: a table
bench-disk: $(BUILD)/test/bench-disk
	$(Q)$<

.PHONY: bench-disk install-storage check-disk check-disk-kill
