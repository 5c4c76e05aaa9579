$(eval $(call unit_tests,bounce))
