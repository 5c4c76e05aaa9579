$(eval $(call program,master,master))
