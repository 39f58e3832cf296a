$(call unit,common/base/decimal,$(common_lib))
