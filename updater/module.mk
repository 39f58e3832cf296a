# What changes the version. boot/start stands alone and is carried inside `updater`, so that no release needs it.
updater_sources := updater/release.c updater/release_version.c updater/tree.c updater/pending.c updater/pending_files.c \
	updater/update_history.c updater/manifest.c updater/manifest_path.c updater/manifest_write.c \
	updater/package.c updater/package_fits.c updater/package_migrations.c
# What applies them and takes them back: of the program alone.
update_job_sources := updater/apply.c updater/recover.c updater/stage.c updater/backup.c updater/changes.c updater/space.c \
	updater/store_update.c updater/target.c updater/plan.c updater/report.c updater/status.c updater/release_sweep.c \
	updater/probation_file.c
$(call library,updater_lib,$(updater_sources))
$(call library,update_job_lib,$(update_job_sources))

$(B)/boot/start: $(B)/obj/updater/boot_start_main.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@
# The time of the build, below which no clock is believed: of the commit, so that the same sources make the same program.
build_time_s := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>&- || date +%s))
$(B)/obj/updater/pending_files.o: CPPFLAGS += -DTELEHAUL_BUILD_TIME_S=$(build_time_s)
$(call embed,boot_assets,$(B)/boot,start)

$(call appliance_program,updater,updater/main.c updater/init.c $(update_job_lib) $(B)/gen/boot_assets.c $(updater_lib) $(keys_lib) $(common_lib))

$(call unit,updater/release_version,updater/release_version.c $(common_lib))
$(call unit,updater/manifest,$(updater_lib) $(common_lib))
$(call fuzz,manifest,$(updater_lib) $(common_lib))
$(call fuzz,package,$(updater_lib) keys/keyring.c $(common_lib))
$(call unit,updater/package,$(updater_lib) keys/keyring.c $(common_lib))
$(call unit,updater/release,$(updater_lib) $(common_lib))
$(call unit,updater/pending,$(updater_lib) $(common_lib))
$(call unit,updater/update_history,$(updater_lib) $(common_lib))
update_units := stage changes recover probation_file release_sweep backup space
$(foreach name,$(update_units),$(call unit,updater/$(name),$(update_job_lib) $(updater_lib) keys/keyring.c $(common_lib)))
