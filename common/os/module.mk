$(call unit,common/os/file,$(common_lib))
