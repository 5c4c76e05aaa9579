$(eval $(call unit_tests,lib/config))
