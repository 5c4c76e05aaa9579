$(eval $(call unit_tests,cleanup))
