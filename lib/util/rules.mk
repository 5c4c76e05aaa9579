$(eval $(call library,util))
