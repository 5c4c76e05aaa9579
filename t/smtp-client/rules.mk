$(eval $(call unit_tests,smtp-client))
