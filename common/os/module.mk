$(call unit,common/os/file,$(common_lib))
$(call unit,common/os/loop,$(common_lib))
$(call unit,common/os/notify,$(common_lib))
$(call unit,common/os/process,$(common_lib))
