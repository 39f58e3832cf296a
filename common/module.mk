$(call library,common_lib,$(filter-out %_main.c,$(wildcard common/*/*.c)))
