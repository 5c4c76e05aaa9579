$(eval $(call unit_tests,lib/smtp))
