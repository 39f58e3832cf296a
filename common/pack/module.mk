$(call unit,common/pack/tar_check,$(common_lib))
$(call unit,common/pack/tar_writer,$(common_lib))
$(call unit,common/pack/packer,$(common_lib))
