$(eval $(call unit_tests,smtpd))
# The disk that fails on demand.
$(OUT)/t/smtpd: $(call objects,t/lib/queue/faulty_disk.cc)
