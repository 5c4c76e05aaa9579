$(eval $(call library,mime))
