$(call fuzz,config,$(common_lib))
