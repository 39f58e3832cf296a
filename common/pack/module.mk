$(call unit,common/pack/gzip,$(common_lib))
