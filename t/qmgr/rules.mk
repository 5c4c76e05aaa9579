$(eval $(call unit_tests,qmgr))
# The disk that forgets what was not synced.
$(OUT)/t/qmgr: $(call objects,t/lib/queue/faulty_disk.cc)
