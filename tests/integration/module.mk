$(call test_tool,http_test_server,$(common_lib))
