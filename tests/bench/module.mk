# A fleet of simulated vehicles: the peer of the fleet's benches and tests
farm_sources := $(addprefix tests/bench/,farm_sim.c farm_faults.c farm_body.c farm_answer.c farm_conn.c farm_tls.c farm_control.c)
$(call bench,farm,$(farm_sources) $(common_lib))
$(B)/bench/farm: LDLIBS += $(shell pkg-config --libs gnutls)
$(call bench,poll_fleet,tests/bench/farm_sim.c $(common_lib))
