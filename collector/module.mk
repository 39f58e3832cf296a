# What reads the telemetry store (agent, portal): linked as $(B)/lib/telemetry_store_lib.a
$(call library,telemetry_store_lib,collector/telemetry_store.c collector/store_range.c collector/store_latest.c)
$(call unit,collector/telemetry_store,$(telemetry_store_lib) $(common_lib))
$(call bench,make_store,collector/drive_model.c $(telemetry_store_lib) $(common_lib))
