-- When a vehicle of a rollout last said how it stands: what was seen before others became healthy proves nothing any more.
ALTER TABLE deployment_vehicles ADD COLUMN looked_at timestamptz;
