$(call unit,common/store/db,$(common_lib))
$(call unit,common/store/migrate,$(common_lib))
$(call unit,common/store/db_rows,$(common_lib))
$(call unit,common/store/pg,$(common_lib))
