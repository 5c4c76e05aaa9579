$(eval $(call unit_tests,lib/event))
