$(call unit,common/wire/record,$(common_lib))
