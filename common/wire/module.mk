$(call unit,common/wire/record,$(common_lib))
$(call unit,common/wire/alarm_record,$(common_lib))
$(call fuzz,record,$(common_lib))
$(call fuzz,alarm_record,$(common_lib))
