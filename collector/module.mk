# What reads the telemetry store (agent, portal): linked as $(B)/lib/telemetry_store_lib.a
telemetry_store_sources := collector/telemetry_store.c collector/store_range.c collector/store_latest.c \
	collector/store_history.c collector/store_alarms.c collector/store_window.c collector/kept_reader.c
$(call library,telemetry_store_lib,$(telemetry_store_sources))
$(call library,collector_lib,$(filter-out collector/main.c $(telemetry_store_sources),$(wildcard collector/*.c)))
$(call appliance_program,collector,collector/main.c $(collector_lib) $(telemetry_store_lib) $(common_lib))

collector_units := telemetry_store proc_text store_writer store_writer_alarms clock_guard growth channel_table sampler retention recorder \
	input_drive input_system line_protocol line_channel lines_reader \
	exec_machine exec_command rollup store_history store_alarms store_window alarm alarm_judge batch stride_search
$(foreach name,$(collector_units),$(call unit,collector/$(name),$(collector_lib) $(telemetry_store_lib) $(common_lib)))
$(call bench,make_store,$(collector_lib) $(telemetry_store_lib) $(common_lib))
$(call fuzz,lines,$(collector_lib) $(common_lib))
