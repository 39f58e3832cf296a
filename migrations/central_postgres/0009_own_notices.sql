-- People read their own notices that are of no vehicle (that there are too many; the fleet's news for a superuser), too.
DROP POLICY fleet_own ON notices;
CREATE POLICY fleet_own ON notices FOR SELECT USING (user_id = (SELECT app_active_user_id())
    AND (vehicle_id IS NULL OR vehicle_id = ANY ((SELECT app_vehicle_ids())::integer[])));
