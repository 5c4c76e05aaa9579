$(eval $(call unit_tests,lib/ipc))
