$(call library,keys_lib,keys/keyring.c keys/licence.c keys/trusted.c $(B)/gen/update_key_assets.c)
# make UPDATE_PUBLIC_KEY=FILE compiles the key of updates in; another FILE, or none, compiles it anew.
$(shell mkdir -p $(B) && { [ "$$(cat $(B)/update_key 2>&1)" = '$(UPDATE_PUBLIC_KEY)' ] || echo '$(UPDATE_PUBLIC_KEY)' >$(B)/update_key; })
$(call embed,update_key_assets,$(or $(patsubst %/,%,$(dir $(UPDATE_PUBLIC_KEY))),.),$(notdir $(UPDATE_PUBLIC_KEY)))
$(B)/gen/update_key_assets.c: $(B)/update_key
$(call appliance_program,keytool,keys/main.c keys/commands.c keys/licence_commands.c $(keys_lib) $(common_lib))
$(call unit,keys/keyring,$(keys_lib) $(common_lib))
$(call unit,keys/trusted,keys/trusted.c keys/keyring.c $(common_lib))
$(call unit,keys/licence,$(keys_lib) $(common_lib))
$(call fuzz,licence,$(keys_lib) $(common_lib))
