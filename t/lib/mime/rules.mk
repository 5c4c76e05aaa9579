$(eval $(call unit_tests,lib/mime))
