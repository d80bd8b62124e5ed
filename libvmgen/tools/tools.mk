# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The vmgen command, its completion and the udev rules; included by ../Makefile.
# vmgen-static is the same command for a guest that has no libraries.

BINDIR         ?= $(PREFIX)/bin
COMPLETIONSDIR ?= $(PREFIX)/share/bash-completion/completions
UDEVDIR        ?= $(PREFIX)/lib/udev

TOOL_OBJ    := $(patsubst tools/%.c,$(BUILD)/tools/%.o,$(sort $(wildcard tools/*.c)))
TOOLS       := $(BUILD)/tools/vmgen
TOOL_RULES  := tools/udev/70-vmgen.rules

tools: $(TOOLS)

$(BUILD)/tools/%.o: tools/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -DVMGEN_VERSION='"$(VERSION)"' -MMD -c -o $@ $<

$(BUILD)/tools/vmgen: $(TOOL_OBJ) $(BUILD)/libvmgen.so
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(TOOL_OBJ) $(BUILD)/libvmgen.so

$(BUILD)/tools/vmgen-static: $(TOOL_OBJ) $(STATIC)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $(TOOL_OBJ) $(STATIC)

# For its tests, which need a counter that they can change.
TOOL_TESTS := $(BUILD)/tools/test/counter $(BUILD)/tools/test/preload.so

$(BUILD)/tools/test/counter: tools/test/counter.c $(STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(STATIC)

$(BUILD)/tools/test/preload.so: tools/test/preload.c $(BUILD)/libvmgen.so
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@ $< $(BUILD)/libvmgen.so

install-tools: tools
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(COMPLETIONSDIR) \
		$(DESTDIR)$(UDEVDIR)/rules.d $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 755 $(TOOLS) $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 tools/completion/vmgen $(DESTDIR)$(COMPLETIONSDIR)
	$(INSTALL) -m 644 $(TOOL_RULES) $(DESTDIR)$(UDEVDIR)/rules.d
	$(INSTALL) -m 644 man/vmgen.1 $(DESTDIR)$(MANDIR)/man1

uninstall-tools:
	rm -f $(DESTDIR)$(BINDIR)/vmgen $(DESTDIR)$(COMPLETIONSDIR)/vmgen \
		$(DESTDIR)$(UDEVDIR)/rules.d/$(notdir $(TOOL_RULES)) \
		$(DESTDIR)$(MANDIR)/man1/vmgen.1

all: tools
$(filter $(BUILD)/test/tool-% %/readme,$(SCRIPTS)): $(TOOL_TESTS)
install: install-tools
uninstall: uninstall-tools

.PHONY: tools install-tools uninstall-tools

-include $(TOOL_OBJ:.o=.d)
