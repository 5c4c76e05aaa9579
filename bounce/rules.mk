$(eval $(call program,bounce,bounce))
