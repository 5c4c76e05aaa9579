$(eval $(call program,qmgr,qmgr))
