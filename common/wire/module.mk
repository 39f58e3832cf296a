$(call unit,common/wire/record,$(common_lib))
$(call fuzz,record,$(common_lib))
