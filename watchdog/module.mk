# Keeps the services alive.
$(call unit,watchdog/supervisor,watchdog/supervisor.c common/base/clock.c)
