$(eval $(call library,net))
