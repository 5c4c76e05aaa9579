$(eval $(call program,smtpd,smtpd))
