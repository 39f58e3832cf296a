-- Which failures of a rollout `resume` has accepted, and which vehicles that had left its waves: they count for nothing any more.
ALTER TABLE deployment_vehicles ADD COLUMN accepted_at timestamptz;

-- Those of rollouts that are under way were counted only: the first so many that failed.
UPDATE deployment_vehicles AS here SET accepted_at = now() FROM (
    SELECT v.vehicle_id, d.deployment_id, d.failures_accepted,
           row_number() OVER (PARTITION BY d.deployment_id ORDER BY v.changed_at, v.vehicle_id) AS nr
    FROM deployments d JOIN deployment_vehicles v USING (deployment_id)
    WHERE v.state IN ('failed', 'rolled_back', 'rejected', 'refused')) AS failed
WHERE here.vehicle_id = failed.vehicle_id AND here.deployment_id = failed.deployment_id AND failed.nr <= failed.failures_accepted;
