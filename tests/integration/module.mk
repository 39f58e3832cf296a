$(call test_tool,http_test_server,$(common_lib))
$(call test_tool,zip_tool,$(common_lib))
