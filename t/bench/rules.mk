$(eval $(call bench_program,source))
$(eval $(call bench_program,sink))
