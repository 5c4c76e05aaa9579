$(eval $(call unit_tests,master))
