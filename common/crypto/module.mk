$(call unit,common/crypto/random,$(common_lib))
$(call unit,common/crypto/hash,$(common_lib))
$(call unit,common/crypto/rsa,$(common_lib))
$(call unit,common/crypto/cert,$(common_lib))
