# Power cuts: one test program, run by `make check` too; it borrows the helpers of the queue's own tests.
UNIT_TESTS += $(OUT)/t/fault-power
$(OUT)/t/fault-power: $(call objects,$(call sources,t/fault/power) t/lib/queue/faulty_disk.cc t/lib/queue/log_helpers.cc)
