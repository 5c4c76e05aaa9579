$(eval $(call program,smtp-client,smtp-client))
