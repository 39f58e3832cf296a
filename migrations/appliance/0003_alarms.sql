-- Which limit an alarm is of, `high` or `low`, so that a restarted collector knows what lasts. And all that is asked
-- about the times of alarms in one index.
ALTER TABLE alarms ADD COLUMN side TEXT;
CREATE INDEX alarms_by_time ON alarms (raised_us, resolved_us, seq);
