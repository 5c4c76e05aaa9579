# Hikyaku's one Makefile: not recursive, a fragment (rules.mk) per folder. `make help` lists the targets.
#
#   make MODE=release|asan|debug     objects of each mode live apart, below $(BUILD); MODE=fuzz is `make fuzz`'s own
#   make BUILD=/tmp/other            another place for everything that is built

MODE  ?= release
BUILD ?= build
OUT   := $(BUILD)/$(MODE)

CXX      ?= g++
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror
INCLUDE  := -iquote . -iquote lib
CXXFLAGS_release := -O2 -g -Wno-maybe-uninitialized -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CXXFLAGS_asan    := -O1 -g -Wno-maybe-uninitialized -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CXXFLAGS_debug   := -O0 -g
LDFLAGS_release  := -Wl,-z,relro,-z,now
LDFLAGS_asan     := -fsanitize=address,undefined
LDFLAGS_debug    :=
# Another compiler: g++ has no libFuzzer. clang-16 shows <expected> of libstdc++ 12 only when it is told that it has the concepts it has.
CXXFLAGS_fuzz    := -std=c++2b -Wno-macro-redefined -D__cpp_concepts=202002L -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
                    -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_fuzz     := -fsanitize=fuzzer,address,undefined
ifeq ($(CXXFLAGS_$(MODE)),)
$(error MODE=$(MODE) is not one of release, asan, debug, fuzz)
endif
FUZZ_CXX ?= clang++-16
ifeq ($(MODE),fuzz)
override CXX := $(FUZZ_CXX)
endif

ALL_CXXFLAGS = -std=c++23 -pthread -fPIE $(WARNINGS) $(CXXFLAGS_$(MODE)) $(CXXFLAGS) $(INCLUDE) -MMD -MP
ALL_LDFLAGS  = -pthread -pie $(LDFLAGS_$(MODE)) $(LDFLAGS)
# --as-needed: a program is linked with those of these that it uses, and with no other.
THIRD_PARTY  = -Wl,--as-needed -levent_core -llmdb -lfmt -lidn2

prefix     ?= /usr
sysconfdir ?= /etc
DESTDIR    ?=

LIBRARIES :=
PROGRAMS  :=
UNIT_TESTS :=
BENCH_PROGRAMS :=
FUZZ_TARGETS :=

sources = $(sort $(wildcard $(1)/*.cc))
objects = $(patsubst %.cc,$(OUT)/obj/%.o,$(1))

# $(call library,NAME): lib/NAME/*.cc -> an archive of its own.
define library
LIBRARIES += $(1)
$(OUT)/lib/$(1).a: $(call objects,$(call sources,lib/$(1)))
endef

# $(call program,NAME,FOLDER): FOLDER/*.cc -> a program; everything but main.cc also as an archive for its tests.
define program
PROGRAMS += $(1)
$(OUT)/lib/program-$(2).a: $(call objects,$(filter-out $(2)/main.cc,$(call sources,$(2))))
$(OUT)/sbin/$(1): $(call objects,$(2)/main.cc) $(OUT)/lib/program-$(2).a
endef

# $(call unit_tests,FOLDER): t/FOLDER/*.cc -> one test program; FOLDER is lib/NAME or a daemon's folder.
define unit_tests
UNIT_TESTS += $(OUT)/t/$(subst /,-,$(1))
$(OUT)/t/$(subst /,-,$(1)): $(call objects,$(call sources,t/$(1))) $(if $(filter lib/%,$(1)),,$(OUT)/lib/program-$(1).a)
endef

# $(call bench_program,NAME): t/bench/NAME.cc -> a tool of the benchmarks, built without the product's code.
define bench_program
BENCH_PROGRAMS += $(OUT)/t/$(1)
$(OUT)/t/$(1): $(call objects,t/bench/$(1).cc)
endef

.DEFAULT_GOAL := all
include $(sort $(wildcard lib/*/rules.mk */rules.mk t/*/rules.mk t/lib/*/rules.mk))

LIBRARY_FILES = $(patsubst %,$(OUT)/lib/%.a,$(LIBRARIES))
PROGRAM_FILES = $(patsubst %,$(OUT)/sbin/%,$(PROGRAMS))

.PHONY: all
all: $(PROGRAM_FILES) $(BENCH_PROGRAMS) links  ## build everything (MODE=release)

.PHONY: links
links: $(OUT)/sbin/hikyaku
	@for name in mailq sendmail newaliases; do ln -sf hikyaku $(OUT)/sbin/$$name; done

# Objects are made again when the flags change, not only when a source does; and when the folder is spelled otherwise,
# because the files of header dependencies name the objects by it.
FLAGS_NOW := $(CXX) $(ALL_CXXFLAGS) $(OUT)
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: FORCE
FORCE:

$(OUT)/obj/%.o: %.cc $(OUT)/flags
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) $(ALL_CXXFLAGS) -c -o $@ $<

# An archive is made anew when a source was added or removed too.
$(OUT)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $(filter %.o,$^)

$(PROGRAM_FILES): $(LIBRARY_FILES)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CXX) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(THIRD_PARTY)

# Catch2's main is slow to compile (35 s at -O2): once, at -O0, for every mode.
CATCH_MAIN := $(BUILD)/catch_main.o
$(CATCH_MAIN): t/main.cc
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) -std=c++23 -O0 -fPIE -c -o $@ $<

$(UNIT_TESTS): $(CATCH_MAIN) $(LIBRARY_FILES)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CXX) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(THIRD_PARTY)

$(BENCH_PROGRAMS):
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CXX) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

# make unit-lib-config: one folder's unit tests, built and run.
.PHONY: unit-%
unit-%: $(OUT)/t/%
	@$<

.PHONY: check
check: all $(UNIT_TESTS)  ## all tests; the last line is "N passed, N failed" (MODE=asan: with sanitizers)
	@t/run --out $(OUT) $(UNIT_TESTS)

.PHONY: fault
fault: all $(OUT)/t/fault-power  ## daemons killed, power cut, disks full and rotten: nothing is lost
	@t/fault/run --out $(OUT)

.PHONY: fuzz
fuzz: fuzz-compiler  ## hostile input for every parser, made by libFuzzer: FUZZ_SECONDS=10 for each of them
	@+$(MAKE) --no-print-directory MODE=fuzz fuzz-targets
	@t/fuzz/run --out $(BUILD)/fuzz

.PHONY: demo
demo: all  ## run the main job on loopback and show what happened
	@t/demo/demo --sbin $(OUT)/sbin

.PHONY: lint
lint:  ## layers, forbidden headers in the pure ring, formatting
	@t/tools/lint

.PHONY: format
format:  ## clang-format over all sources
	@clang-format -i $$(git ls-files '*.cc' '*.h')

.PHONY: bench
bench: all  ## speed: messages per second, CPU and system calls per message and daemon
	@t/bench/bench --out $(OUT)

DAEMONS = $(filter-out hikyaku,$(PROGRAMS))
.PHONY: install
install: all  ## install below $(DESTDIR)$(prefix); creates no user, starts nothing
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/libexec/hikyaku $(DESTDIR)$(sysconfdir)/hikyaku
	install -m 755 $(OUT)/sbin/hikyaku $(DESTDIR)$(prefix)/sbin/
	for daemon in $(DAEMONS); do install -m 755 $(OUT)/sbin/$$daemon $(DESTDIR)$(prefix)/libexec/hikyaku/ || exit 1; done
	ln -sf hikyaku $(DESTDIR)$(prefix)/sbin/sendmail
	ln -sf ../sbin/hikyaku $(DESTDIR)$(prefix)/bin/mailq
	ln -sf ../sbin/hikyaku $(DESTDIR)$(prefix)/bin/newaliases
	for file in main.cf master.cf; do test -e $(DESTDIR)$(sysconfdir)/hikyaku/$$file || install -m 644 conf/$$file $(DESTDIR)$(sysconfdir)/hikyaku/ || exit 1; done

.PHONY: clean
clean:  ## remove what was built
	rm -rf $(BUILD)

.PHONY: help
help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
