# Fuzz targets: t/fuzz/*.cc, a program each. Only `make fuzz` builds them, with MODE=fuzz and its compiler.
FUZZ_TARGETS += $(patsubst t/fuzz/%.cc,$(OUT)/t/fuzz/%,$(call sources,t/fuzz))
FUZZ_LIBRARIES := $(patsubst %,$(OUT)/lib/%.a,util os config smtp mime queue log event net ipc)

$(FUZZ_TARGETS): $(OUT)/t/fuzz/%: $(OUT)/obj/t/fuzz/%.o $(FUZZ_LIBRARIES)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CXX) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(FUZZ_LIBRARIES) -Wl,--end-group $(THIRD_PARTY)

# Said in one line instead of by the compiler; a compiler without its runtime library is none.
.PHONY: fuzz-compiler
fuzz-compiler:
	@echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' | \
	  $(FUZZ_CXX) -x c++ - -fsanitize=fuzzer,address,undefined -o /dev/null >/dev/null 2>&1 || \
	  { echo "make fuzz needs clang-16 and its sanitizers: ./bootstrap fuzz installs them" >&2; exit 69; }

.PHONY: fuzz-targets
fuzz-targets: $(FUZZ_TARGETS)
