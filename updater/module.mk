# What changes the version. boot/start stands alone and is carried inside `updater`, so that no release needs it.
updater_sources := updater/release.c updater/release_version.c updater/tree.c
$(call library,updater_lib,$(updater_sources))

$(B)/boot/start: $(B)/obj/updater/boot_start_main.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@
$(call embed,boot_assets,$(B)/boot,start)

$(call appliance_program,updater,updater/main.c updater/init.c updater/status.c $(B)/gen/boot_assets.c $(updater_lib) keys/keyring.c $(common_lib))

$(call unit,updater/release_version,updater/release_version.c $(common_lib))
$(call unit,updater/release,$(updater_lib) $(common_lib))
