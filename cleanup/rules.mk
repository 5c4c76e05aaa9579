$(eval $(call program,cleanup,cleanup))
