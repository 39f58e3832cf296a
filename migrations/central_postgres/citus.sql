-- Optional, and not run by any program: spreads the readings over several machines with Citus (11 to 13), once, as a superuser of
-- the coordinator, after `sync_service migrate` there. docs/scaling.md says when that is worth it, what else it asks for, and
-- that it has not been run.
-- Readings are spread by vehicle_id: they are what fills disks. Everything else stays what it is, ordinary tables of the
-- coordinator, with their triggers, identities, foreign keys and rows that are locked across vehicles. `notices`, whose key is a
-- number of its own, is one of those: a queue that one sender takes from in the order of time, whatever the vehicle.
CREATE EXTENSION IF NOT EXISTS citus;

-- Citus takes no subqueries in policies of what is spread, and where the shards are no function in one may read a table. What is
-- left are settings: besides app.user_role the list app.vehicle_ids, as in 101,102, which whoever asks makes with
-- array_to_string(app_vehicle_ids(), ','). No other text matches a vehicle; unset, nobody sees a row. Elsewhere the policies
-- stay as they are: evaluated for each row these take three times as long.
ALTER POLICY fleet_superuser ON measurements
    USING (current_setting('app.user_role', true) COLLATE "C" = 'superuser')
    WITH CHECK (current_setting('app.user_role', true) COLLATE "C" = 'superuser');
ALTER POLICY fleet_own ON measurements
    USING (vehicle_id::text = ANY (string_to_array(current_setting('app.vehicle_ids', true), ',')));

-- SET LOCAL reaches the shards then; set_config() never does.
DO $$
BEGIN
    EXECUTE format('ALTER ROLE telehaul_api IN DATABASE %I SET citus.propagate_set_commands = ''local''', current_database());
END $$;

SELECT create_distributed_table('measurements', 'vehicle_id', shard_count => 64);
