portal_web := $(notdir $(wildcard portal/web/*.html portal/web/*.css portal/web/*.js portal/web/*.svg))
common_web := $(notdir $(wildcard common/web/*.css common/web/*.js common/web/*.svg))
$(call embed,portal_assets,portal/web,$(portal_web))
$(call embed,common_web_assets,common/web,$(common_web))
$(call embed,dygraphs_assets,/usr/share/javascript/dygraphs,dygraph.min.js dygraph.min.css)

portal_lib := portal/alarms.c portal/answer.c portal/api.c portal/auth.c portal/certificate.c portal/history.c portal/hosts.c portal/live.c portal/pages.c \
	portal/pin.c portal/progress.c portal/readings.c portal/session.c portal/status.c portal/update.c \
	portal/update_details.c portal/update_progress.c
$(call appliance_program,portal,portal/main.c $(portal_lib) $(B)/gen/portal_assets.c \
	$(B)/gen/common_web_assets.c $(B)/gen/dygraphs_assets.c $(B)/lib/updater_lib.a keys/keyring.c $(telemetry_store_lib) \
	$(common_lib))
$(call unit,portal/hosts,portal/hosts.c $(common_lib))
$(call unit,portal/pin,portal/pin.c $(common_lib))
$(call unit,portal/progress,portal/progress.c $(B)/lib/updater_lib.a $(common_lib))
$(call fuzz,progress,portal/progress.c $(B)/lib/updater_lib.a $(common_lib))
$(call unit,portal/session,portal/session.c $(common_lib))
$(call fuzz,http_pieces,portal/hosts.c portal/session.c agent/accept.c $(common_lib))
