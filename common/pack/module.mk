$(call unit,common/pack/packer,$(common_lib))
