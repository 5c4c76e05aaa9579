$(eval $(call unit_tests,lib/log))
