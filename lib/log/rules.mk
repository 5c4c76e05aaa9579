$(eval $(call library,log))
