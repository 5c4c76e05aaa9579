$(eval $(call library,queue))
