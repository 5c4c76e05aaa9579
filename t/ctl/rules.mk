$(eval $(call unit_tests,ctl))
