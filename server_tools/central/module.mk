$(call embed,central_sqlite_migrations,migrations/central_sqlite,0001_central.sql 0002_channel_changes.sql)
$(call embed,central_postgres_migrations,migrations/central_postgres,0001_central.sql 0002_fleet.sql 0003_sync.sql 0004_rollouts.sql 0005_notices.sql 0006_rollout_looks.sql \
	0007_vehicles_added.sql 0008_journal_duration.sql 0009_own_notices.sql 0010_notice_targets.sql 0011_rollout_accepted.sql)
$(call embed,central_postgres_roles,migrations/central_postgres,roles.sql roles_check.sql)

central_sources := central.c central_sqlite.c central_sqlite_words.c central_postgres.c central_months.c central_fleet.c \
	central_postgres_copy.c central_postgres_lines.c central_postgres_rows.c \
	central_postgres_words.c batch_sorter.c batch_queue.c archive_info.c archive_files.c \
	line_reader.c archive_reader.c small_streams.c channel_cache.c import_reader.c import_readings.c import_small.c importer.c
$(call library,central_lib,$(addprefix server_tools/central/,$(central_sources)) $(B)/gen/central_sqlite_migrations.c \
	$(B)/gen/central_postgres_migrations.c $(B)/gen/central_postgres_roles.c)

$(call unit,server_tools/central/batch_sorter,server_tools/central/batch_sorter.c $(common_lib))
$(call unit,server_tools/central/batch_queue,server_tools/central/batch_queue.c $(common_lib))
$(call unit,server_tools/central/channel_cache,server_tools/central/channel_cache.c $(common_lib))
$(call unit,server_tools/central/archive_reader,$(central_lib) $(common_lib))
$(call unit,server_tools/central/archive_info,$(central_lib) $(common_lib))
$(call unit,server_tools/central/small_streams,$(central_lib) $(common_lib))
$(call unit,server_tools/central/central,$(central_lib) $(common_lib))
$(call unit,server_tools/central/central_words,$(central_lib) $(common_lib))
$(call unit,server_tools/central/central_postgres,$(central_lib) $(common_lib))
$(call unit,server_tools/central/central_months,$(central_lib) $(common_lib))
$(call unit,server_tools/central/central_fleet,$(central_lib) $(common_lib))
$(call unit,server_tools/central/importer,$(central_lib) $(common_lib))
$(call unit,server_tools/central/import_small,$(central_lib) $(common_lib))
$(call fuzz,import,$(central_lib) $(common_lib))
$(call bench,import_archive,collector/drive_model.c $(central_lib) $(common_lib))
