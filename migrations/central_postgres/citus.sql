-- Optional, and not run by any program: spreads the fleet's tables over several machines with Citus (11 or newer), once, as a
-- superuser of the coordinator, after `sync_service migrate` there. docs/scaling.md says when that is worth it.
-- What grows is spread by vehicle_id, a vehicle's rows of all tables on one node; what is small, or locked across vehicles
-- (FOR UPDATE SKIP LOCKED), is whole on every node.
CREATE EXTENSION IF NOT EXISTS citus;

SELECT create_reference_table('users');
SELECT create_reference_table('vehicles');
SELECT create_reference_table('vehicle_access');
SELECT create_reference_table('oauth_accounts');
SELECT create_reference_table('revoked_tokens');
SELECT create_reference_table('sync_workers');
SELECT create_reference_table('notice_rules');
SELECT create_reference_table('notices');
SELECT create_reference_table('deployments');
SELECT create_reference_table('deployment_vehicles');
SELECT create_reference_table('vehicle_leases');

SELECT create_distributed_table('measurements', 'vehicle_id', shard_count => 64);
SELECT create_distributed_table('measurements_quarantine', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('alarms_log', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('channel_config', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('channel_changes', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('sync_cursor', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('sync_journal', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('vehicle_sync', 'vehicle_id', colocate_with => 'measurements');
SELECT create_distributed_table('vehicle_silences', 'vehicle_id', colocate_with => 'measurements');
