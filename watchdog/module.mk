# Keeps the services alive. The guard is a mode of the same program.
watchdog_sources := watchdog/approval.c watchdog/control.c watchdog/instance.c watchdog/licensed.c watchdog/log_file.c watchdog/owners.c watchdog/probation.c watchdog/probe.c \
	watchdog/service.c watchdog/service_log.c watchdog/status.c \
	watchdog/status_command.c watchdog/supervisor.c watchdog/updates.c watchdog/watchdog.c
$(call library,watchdog_lib,$(watchdog_sources))
$(call appliance_program,watchdog,watchdog/main.c $(watchdog_lib) $(updater_lib) $(keys_lib) $(common_lib))

$(call unit,watchdog/supervisor,watchdog/supervisor.c common/base/clock.c)
$(call unit,watchdog/log_file,watchdog/log_file.c $(common_lib))
$(call unit,watchdog/probation,watchdog/probation.c $(common_lib))
$(call unit,watchdog/approval,watchdog/approval.c $(common_lib))
