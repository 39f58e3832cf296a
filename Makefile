# Telehaul's one make. Each folder's module.mk names its sources; `make help` lists the targets.
#
#   V=release|debug|asan|tsan|coverage|fuzz   which flags; all but release build below build/$(V)/
#   OUT=DIR       where everything built goes (default build)
#   CC=gcc|clang  WERROR=1 (in CI)  VERSION=1.2.0
#   UPDATE_PUBLIC_KEY=FILE   compiles the key of updates in: it wins over UPDATE_PUBLIC_KEY_FILE
# docs/testing.md says what each kind of test is.

VERSION ?= 1.0.0
V ?= release
OUT ?= build
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3
B := $(if $(filter release,$(V)),$(OUT),$(OUT)/$(V))

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# ---- flags ---------------------------------------------------------------------------------------------
ifeq ($(V),fuzz)
  CC := clang
endif
ifeq ($(origin CC),default)
  CC := gcc
endif

warnings := -Wall -Wextra -Wshadow -Wconversion $(if $(WERROR),-Werror)
harden := -fstack-protector-strong -fPIE
flags_release := -O2 -D_FORTIFY_SOURCE=2
flags_debug := -O0
flags_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
flags_coverage := -O0 --coverage
flags_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer
link_asan := -fsanitize=address,undefined
link_tsan := -fsanitize=thread
link_coverage := --coverage
link_fuzz := -fsanitize=address,undefined

packages := libmicrohttpd sqlite3 libisal libcurl nettle libpq libzstd libarchive
CFLAGS += -std=gnu11 -g $(flags_$(V)) $(harden) $(warnings)
CPPFLAGS += -I. -I$(B)/gen $(shell pkg-config --cflags-only-I libpq) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DTELEHAUL_VERSION='"$(VERSION)"'
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(link_$(V))
LDLIBS := $(shell pkg-config --libs $(packages)) -lmbedx509 -lmbedcrypto -lm -lpthread

# ---- the three things a module.mk says -----------------------------------------------------------------
# $(call program,NAME,SOURCES and libraries)      makes $(B)/bin/NAME
# $(call appliance_program,NAME,...)              the same, and puts it into the release folder (dist)
# $(call unit,PATH,SOURCES and libraries)         builds tests/unit/PATH_test.c with them
# $(call fuzz,NAME,SOURCES and libraries)         builds tests/fuzz/NAME_fuzz.c with them
# $(call bench,NAME,SOURCES and libraries)        builds tests/bench/NAME.c with them (a helper of `make bench`)
# $(call test_tool,NAME,SOURCES and libraries)    builds tests/integration/NAME.c with them (a peer of the tests)
# $(call fault,NAME,SOURCES and libraries)        builds tests/fault/NAME.c with them (cases of tests/fault/torture)
# $(call embed,NAME,FOLDER,FILES)                 makes $(B)/gen/NAME.c: the table NAME of struct asset
objects = $(patsubst %.c,$(B)/obj/%.o,$(patsubst $(B)/gen/%.c,$(B)/obj/gen/%.o,$(filter %.c,$(1)))) $(filter %.a,$(1))
programs :=
dist_programs :=
units :=
fuzzers :=
bench_programs :=
test_tools :=
faults :=

define program
$(eval programs += $(1))
$(eval $(B)/bin/$(1): $(call objects,$(2)))
endef
define appliance_program
$(call program,$(1),$(2))
$(eval dist_programs += $(1))
endef
define unit
$(eval units += $(1))
$(eval $(B)/unit/$(1): $(call objects,tests/unit/$(1)_test.c $(2)))
endef
define fuzz
$(eval fuzzers += $(1))
$(eval $(B)/fuzz/$(1): $(call objects,tests/fuzz/$(1)_fuzz.c $(if $(filter fuzz,$(V)),,tests/fuzz/replay.c) $(2)))
endef
define bench
$(eval bench_programs += $(1))
$(eval $(B)/bench/$(1): $(call objects,tests/bench/$(1).c $(2)))
endef
define test_tool
$(eval test_tools += $(1))
$(eval $(B)/test-tools/$(1): $(call objects,tests/integration/$(1).c $(2)))
endef
define fault
$(eval faults += $(1))
$(eval $(B)/fault/$(1): $(call objects,tests/fault/$(1).c tests/fault/durable.c $(2)))
endef
define embed
$(eval $(B)/gen/$(1).c: $(lastword $(MAKEFILE_LIST)) packaging/embed $(addprefix $(2)/,$(3)); @mkdir -p $$(@D); packaging/embed $(1) $(2) $(3) >$$@)
endef
# A library is an archive, so that a program takes only the parts that it names.
define library
$(eval $(1) := $(B)/lib/$(1).a)
$(eval $(B)/lib/$(1).a: $(call objects,$(2)))
endef

all: programs dist ## (default) every program and the release folder build/dist

include common/module.mk $(sort $(filter-out common/module.mk,$(wildcard */module.mk */*/module.mk)))

programs: $(addprefix $(B)/bin/,$(programs))

# VERBOSE=1 shows the commands instead of a line each.
Q := $(if $(VERBOSE),,@)
say = @$(if $(VERBOSE),true,printf '  %-3s %s\n' $(1) $(2))

# ---- how things are built ------------------------------------------------------------------------------
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/bin/% $(B)/bench/% $(B)/test-tools/% $(B)/fault/%:
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(LDLIBS) -o $@

$(B)/unit/%:
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(LDLIBS) -lcmocka -o $@

$(B)/fuzz/%:
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(if $(filter fuzz,$(V)),-fsanitize=fuzzer) $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(LDLIBS) -o $@

# Loaded into programs of every variant: never sanitised itself, and with the C library's own names.
$(B)/fault/torture.so: tests/fault/torture.c tests/fault/torture.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -I. -D_GNU_SOURCE -std=gnu11 -g -O2 -fPIC -shared $(warnings) -Wno-nonnull-compare $< -o $@

# The same for the campaigns against updates.
$(B)/fault/recorder.so: tests/fault/recorder.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -I. -D_GNU_SOURCE -std=gnu11 -g -O2 -fPIC -shared $(warnings) $< -o $@

# Another VERSION compiles anew what names it.
$(shell mkdir -p $(B) && { [ "$$(cat $(B)/version 2>&1)" = '$(VERSION)' ] || echo '$(VERSION)' >$(B)/version; })
$(patsubst %.c,$(B)/obj/%.o,$(shell grep -rl --include='*.c' TELEHAUL_VERSION */)): $(B)/version

-include $(shell find $(B)/obj $(B)/analyzer -name '*.d' 2>/dev/null)

# ---- the release folder --------------------------------------------------------------------------------
dist: $(B)/dist.stamp ## the release folder: bin, share, migrations

dist_migrations := $(wildcard migrations/appliance/*.sql)
$(B)/dist.stamp: $(addprefix $(B)/bin/,$(dist_programs)) $(dist_migrations) README.md
	@rm -rf $(B)/dist.new && mkdir -p $(B)/dist.new/bin $(B)/dist.new/share $(B)/dist.new/migrations
	@cp $(addprefix $(B)/bin/,$(dist_programs)) $(B)/dist.new/bin/
	@cp $(dist_migrations) $(B)/dist.new/migrations/
	@cp README.md $(B)/dist.new/share/
	@rm -rf $(B)/dist && mv $(B)/dist.new $(B)/dist && touch $@

install: all ## into DESTDIR/PREFIX: programs, the release folder
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/telehaul
	install $(addprefix $(B)/bin/,$(programs)) $(DESTDIR)$(PREFIX)/bin/
	rm -rf $(DESTDIR)$(PREFIX)/lib/telehaul/dist
	cp -r $(B)/dist $(DESTDIR)$(PREFIX)/lib/telehaul/dist

clean: ## removes everything built
	rm -rf $(OUT)

help: ## this list
	@grep -hE '^[a-z_-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

# ---- lint ----------------------------------------------------------------------------------------------
sources = $(shell git ls-files '*.c' | xargs ls -d 2>/dev/null)
headers = $(shell git ls-files '*.h' | xargs ls -d 2>/dev/null)
product = $(filter-out tests/%,$(sources))

check: check-format check-layers check-banned check-headers check-clang check-cppcheck check-tidy check-analyzer check-corpora ## lint, layers, both compilers' warnings, gcc's analyzer, the fuzz corpora

check-format:
	@clang-format --dry-run --Werror $(sources) $(headers) && echo "format: clang-format has nothing to say"

check-layers:
	@tests/lint/layers

check-banned:
	@tests/lint/banned

check-headers:
	@tests/lint/headers $(CC) $(CPPFLAGS) $(CFLAGS)

check-clang: # the other compiler's warnings, as errors
	@mkdir -p $(OUT)
	@$(MAKE) --no-print-directory CC=clang OUT=$(OUT)/clang WERROR=1 programs >$(OUT)/clang.log 2>&1 || { cat $(OUT)/clang.log; exit 1; }
	@echo "clang: no warnings"

check-cppcheck:
	@cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 --std=c11 -I. \
	    --suppress=missingIncludeSystem --suppress=checkersReport -DTELEHAUL_VERSION='"0"' -D_GNU_SOURCE $(product) && echo "cppcheck: nothing"

tidy_files = $(addprefix $(B)/tidy/,$(addsuffix .ok,$(product)))
check-tidy: $(tidy_files)
	@echo "clang-tidy: nothing"

$(B)/tidy/%.ok: % .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet --warnings-as-errors='*' $< -- $(filter-out -W%,$(CPPFLAGS) $(CFLAGS)) >$@.log 2>/dev/null || { cat $@.log; exit 1; }
	@touch $@

# Without optimisation: gcc 12 then follows what is written, not what inlining made of it.
analyzer_files = $(addprefix $(B)/analyzer/,$(addsuffix .ok,$(product)))
check-analyzer: $(analyzer_files) ## gcc -fanalyzer over the product
	@echo "gcc -fanalyzer: nothing"

# What it doubts wrongly, by file: docs/testing.md has each one's proof.
analyzer_but_agent/table_query.c := -Wno-analyzer-use-of-uninitialized-value
analyzer_but_agent/outbound_alarms.c := -Wno-analyzer-malloc-leak
analyzer_but_agent/outbound_list.c := -Wno-analyzer-malloc-leak
analyzer_but_common/pack/zip_index.c := -Wno-analyzer-malloc-leak
analyzer_but_common/store/migrate_guard.c := -Wno-analyzer-malloc-leak
analyzer_but_server_tools/publish/contents_migrations.c := -Wno-analyzer-malloc-leak

$(B)/analyzer/%.ok: %
	@mkdir -p $(@D)
	@gcc $(CPPFLAGS) -std=gnu11 -O0 -fanalyzer -Werror $(analyzer_but_$*) -MMD -MP -MT $@ -MF $(@:.ok=.d) -c $< -o /dev/null
	@touch $@

check-corpora: $(addprefix $(B)/fuzz/,$(fuzzers))
	@for name in $(fuzzers); do $(B)/fuzz/$$name tests/fuzz/corpus/$$name || exit 1; done

# ---- tests ---------------------------------------------------------------------------------------------
unit: $(addprefix $(B)/unit/,$(units)) ## builds and runs the unit tests (V=asan ... for a variant)
	@$(if $(filter tsan,$(V)),tests/harness/under_tsan )tests/harness/run_units --jobs $(or $(UNIT_JOBS),1) $(B)/unit $(units)

# Not under valgrind, and why: docs/testing.md.
valgrind_without := collector/recorder collector/store_writer
valgrind_command := valgrind --quiet --vgdb=no --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible --num-callers=30

valgrind: $(addprefix $(B)/unit/,$(units)) ## the unit tests under valgrind (with V=debug)
	@tests/harness/run_units --jobs 2 --under "$(valgrind_command)" $(B)/unit $(filter-out $(valgrind_without),$(units))

# Points of a unit and kind that a run of torture tries.
TORTURE ?= 1
torture: fault-tools ## each call of the units that can fail made to fail once, a sample (with V=asan; make soak: all)
	@TELEHAUL_BIN=$(B)/bin tests/fault/torture --per-kind $(TORTURE)

fuzzers: $(addprefix $(B)/fuzz/,$(fuzzers)) ## builds the fuzz targets (V=fuzz: with libFuzzer)

test-tools: $(addprefix $(B)/bench/,$(bench_programs)) $(addprefix $(B)/test-tools/,$(test_tools))

recorder: $(B)/fault/recorder.so

fault-tools: $(B)/fault/torture.so recorder $(addprefix $(B)/fault/,$(faults)) $(addprefix $(B)/unit/,$(units))

test: ## units, integration, browser and fault tests (what they need: packaging/quickstart test)
	@tests/harness/run_all build units corpora build-asan integration browser fault

test-all: ## make check and make test in one, as CI runs them
	@tests/harness/run_all

bench: all test-tools ## the figures of docs/performance.md, in one run
	@$(PYTHON) tests/bench/run

screenshots: all ## pictures of the page, by the browser tests, into build/screenshots
	@$(PYTHON) -m pytest -q -p no:cacheprovider --timeout=300 tests/browser

soak: all recorder test-tools ## the long fault campaigns
	@TELEHAUL_KILLS=200 TELEHAUL_SOAK=1 $(PYTHON) -m pytest -q -p no:cacheprovider tests/fault
	@$(MAKE) --no-print-directory V=asan fault-tools
	@tests/fault/torture --per-kind 500 --slow

.PHONY: all programs dist install clean help check check-format check-layers check-banned check-headers check-clang \
	check-cppcheck check-tidy check-analyzer check-corpora unit valgrind torture fuzzers test-tools recorder fault-tools test test-all \
	bench screenshots soak
