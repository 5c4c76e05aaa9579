$(eval $(call unit_tests,lib/util))
