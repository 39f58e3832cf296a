# Pulls the whole fleet into PostgreSQL
$(call library,sync_service_lib,$(filter-out server_tools/sync_service/main.c,$(wildcard server_tools/sync_service/*.c)))
$(call unit,server_tools/sync_service/metrics,server_tools/sync_service/metrics.c $(common_lib))
$(call unit,server_tools/sync_service/agent_home,$(addprefix server_tools/sync_service/,agent_home.c channel_book.c write_job.c) $(common_lib))
$(call unit,server_tools/sync_service/agent_session,$(addprefix server_tools/sync_service/,agent_session.c agent_log_in.c) $(common_lib))
sync_writer := $(addprefix server_tools/sync_service/,channel_book.c keeper_chores.c sync_db.c write_job.c writer.c writer_channels.c writer_group.c \
	writer_queue.c writer_rows.c writer_words.c) $(central_lib) $(common_lib)
$(call unit,server_tools/sync_service/writer,$(sync_writer))
$(call unit,server_tools/sync_service/agent_readings,$(addprefix server_tools/sync_service/,agent_readings.c agent_export.c agent_home.c channel_book.c write_job.c) server_tools/central/line_reader.c $(common_lib))
$(call program,sync_service,server_tools/sync_service/main.c $(sync_service_lib) $(central_lib) $(B)/lib/updater_lib.a keys/keyring.c $(common_lib))
$(call unit,server_tools/sync_service/keeper,$(addprefix server_tools/sync_service/,keeper.c keeper_leases.c keeper_vehicles.c) \
	$(sync_writer))
$(call bench,write_jobs,$(sync_writer))
$(call unit,server_tools/sync_service/writer_channels,$(sync_writer))
$(call unit,server_tools/sync_service/windows,server_tools/sync_service/windows.c $(common_lib))
$(call unit,server_tools/sync_service/windows_property,server_tools/sync_service/windows.c $(common_lib))
data_answer := $(addprefix server_tools/sync_service/,data_answer.c data_row.c) $(common_lib)
$(call unit,server_tools/sync_service/data_answer,$(data_answer))
$(call fuzz,data_answer,$(data_answer))
