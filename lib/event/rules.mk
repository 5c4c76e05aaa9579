$(eval $(call library,event))
