$(call unit,common/net/json,$(common_lib))
$(call unit,common/net/json_writer,$(common_lib))
$(call fuzz,json,$(common_lib))
$(call unit,common/net/http_client,$(common_lib))
