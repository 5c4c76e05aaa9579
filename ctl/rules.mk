$(eval $(call program,hikyaku,ctl))
