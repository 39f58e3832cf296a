sync_client_sources := settings.c notices.c known_hosts.c trust.c session.c log_in.c turn.c retry.c receiver.c \
	archive.c archive_list.c archive_recover.c export.c home.c pull.c pull_small.c report.c sync.c import_files.c \
	support.c update.c
$(call library,sync_client_lib,$(addprefix server_tools/sync_client/,$(sync_client_sources)))
$(call program,sync_client,server_tools/sync_client/main.c $(sync_client_lib) $(central_lib) $(B)/lib/updater_lib.a keys/keyring.c $(common_lib))
$(call unit,server_tools/sync_client/known_hosts,$(sync_client_lib) $(common_lib))
$(call unit,server_tools/sync_client/receiver,$(sync_client_lib) $(central_lib) $(common_lib))
$(call unit,server_tools/sync_client/archive,$(sync_client_lib) $(central_lib) $(common_lib))
$(call unit,server_tools/sync_client/notices,$(sync_client_lib) $(common_lib))
