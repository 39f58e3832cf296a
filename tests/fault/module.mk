$(call fault,durable_files,keys/keyring.c agent/last_sync.c $(sync_client_lib) $(common_lib))
$(call fault,durable_store,$(collector_lib) $(telemetry_store_lib) $(common_lib))
$(call fault,durable_archive,$(sync_client_lib) $(central_lib) $(common_lib))
