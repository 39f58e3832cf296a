$(call unit,common/app/nearest,$(common_lib))
$(call unit,common/app/options,$(common_lib))
$(call fuzz,config,$(common_lib))
$(call unit,common/app/config,$(common_lib))
