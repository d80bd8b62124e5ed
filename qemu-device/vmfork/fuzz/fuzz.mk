# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# make fuzz-record   what the command reads from files and sockets: RUNS inputs (1 million)

# All but the verbs
FUZZ_SRC := $(filter-out vmfork.c $(shell grep -l '^gboolean verb_' *.c),$(SRC))

fuzz-record: $(BUILD)/fuzz/record
	$(Q)mkdir -p $(BUILD)/fuzz/corpus-record
	$(Q)grep -v '^#' fuzz/record.seeds | while IFS= read -r seed; do n=$$((n + 1)); \
		printf '%b' "$$seed" > $(BUILD)/fuzz/corpus-record/seed$$n; done
	$(Q)$(BUILD)/fuzz/record -runs=$(or $(RUNS),1000000) -seed=1 -max_len=2048 \
		-dict=fuzz/record.dict -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/fuzz/record- $(BUILD)/fuzz/corpus-record

$(BUILD)/fuzz/record: fuzz/record.c $(FUZZ_SRC) $(wildcard *.h)
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D)
	$(Q)clang -O1 -g $(CPPFLAGS) -std=gnu11 $(COMMAND_CFLAGS) -I. -pthread \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $< $(FUZZ_SRC) $(COMMAND_LIBS)

.PHONY: fuzz-record
