# Pulls the whole fleet into PostgreSQL
$(call library,sync_service_lib,$(filter-out server_tools/sync_service/main.c,$(wildcard server_tools/sync_service/*.c)))
$(call unit,server_tools/sync_service/metrics,server_tools/sync_service/metrics.c $(common_lib))
