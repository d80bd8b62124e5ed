# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What is installed beside the programs: manual pages, completion.  To be included.

MANDIR     ?= $(PREFIX)/share/man
COMPLETION ?= $(PREFIX)/share/bash-completion/completions

install: install-man
install-man:
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(MANDIR)/man1 man/vmfork.1
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(MANDIR)/man8 man/vmfork-view.8
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(COMPLETION) completion/vmfork

.PHONY: install-man
