$(eval $(call unit_tests,lib/net))
