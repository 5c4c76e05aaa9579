$(eval $(call unit_tests,lib/queue))
