publish_sources := settings.c progress.c contents.c contents_migrations.c pack.c inspect.c
$(call library,publish_lib,$(addprefix server_tools/publish/,$(publish_sources)))
$(call program,publish,server_tools/publish/main.c $(publish_lib) $(B)/lib/updater_lib.a keys/keyring.c $(common_lib))
