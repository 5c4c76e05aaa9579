$(eval $(call unit_tests,qmgr))
# The disk that forgets what was not synced, and rows that rot.
$(OUT)/t/qmgr: $(call objects,t/lib/queue/faulty_disk.cc t/lib/queue/broken_rows.cc)
