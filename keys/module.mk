$(call library,keys_lib,keys/keyring.c)
$(call appliance_program,keytool,keys/main.c keys/commands.c $(keys_lib) $(common_lib))
$(call unit,keys/keyring,$(keys_lib) $(common_lib))
