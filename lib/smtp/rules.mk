$(eval $(call library,smtp))
