-- The database's roles, what belongs to whom and who may do what. Not in the ledger: run after the migrations, each time, in
-- one transaction; what is right already is left alone, what the connected role may not do is skipped, and
-- roles_check.sql says what is missing then. A table or a function
-- that a migration adds gets its row here.

-- telehaul_owner: the tables are its own; for migrations.
-- telehaul_sync: brings readings; BYPASSRLS, for PostgreSQL refuses COPY FROM under row-level security.
-- telehaul_api: answers people; never past row-level security.
-- They get no password: ALTER ROLE telehaul_sync PASSWORD '...'.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES ('telehaul_owner', 'NOBYPASSRLS'), ('telehaul_sync', 'BYPASSRLS'),
                              ('telehaul_api', 'NOBYPASSRLS')) AS role (name, bypass)
    LOOP
        BEGIN
            IF to_regrole(wanted.name) IS NULL THEN
                EXECUTE format('CREATE ROLE %I LOGIN %s', wanted.name, wanted.bypass);
            END IF;
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name
                       AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
                            OR rolbypassrls <> (wanted.bypass = 'BYPASSRLS'))) THEN
                EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION %s', wanted.name,
                               wanted.bypass);
            END IF;
        EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
            NULL; -- not ours to make, or somebody made it at this moment
        END;
    END LOOP;
END $$;

DO $$
BEGIN
    IF to_regrole('telehaul_owner') IS NULL OR to_regrole('telehaul_sync') IS NULL OR to_regrole('telehaul_api') IS NULL THEN
        RETURN;
    END IF;
    IF NOT has_schema_privilege('telehaul_owner', current_schema(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON SCHEMA %I TO telehaul_owner', current_schema());
    END IF;
    IF NOT has_schema_privilege('telehaul_sync', current_schema(), 'USAGE')
       OR NOT has_schema_privilege('telehaul_api', current_schema(), 'USAGE')
       OR NOT has_schema_privilege('telehaul_owner', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO telehaul_owner, telehaul_sync, telehaul_api', current_schema());
    END IF;
    IF NOT has_database_privilege('telehaul_sync', current_database(), 'TEMPORARY') THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO telehaul_sync', current_database());
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$;

-- Who made the tables and is no superuser may go on as before: as a member of telehaul_owner.
DO $$
DECLARE
    maker name := (SELECT rolname FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
                   WHERE pg_class.oid = to_regclass('schema_migrations') AND NOT rolsuper);
BEGIN
    IF to_regrole('telehaul_owner') IS NOT NULL AND maker NOT IN ('telehaul_owner', 'telehaul_sync', 'telehaul_api')
       AND NOT pg_has_role(maker, 'telehaul_owner', 'MEMBER') THEN
        EXECUTE format('GRANT telehaul_owner TO %I', maker);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$;

-- Every table of ours, with the rights of telehaul_sync and of telehaul_api, in the order of the alphabet.
DO $$
DECLARE
    wanted  record;
    granted record;
BEGIN
    IF to_regrole('telehaul_owner') IS NULL OR to_regrole('telehaul_sync') IS NULL OR to_regrole('telehaul_api') IS NULL THEN
        RETURN;
    END IF;
    FOR wanted IN
        SELECT to_regclass(name) AS relation, sync, api FROM (VALUES
            ('alarms_log',              'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('channel_changes',         'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('channel_config',          'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('deployment_vehicles',     'INSERT, SELECT, UPDATE',         'SELECT'),
            ('deployments',             'INSERT, SELECT, UPDATE',         'SELECT'),
            ('measurements',            'INSERT, SELECT',                 'SELECT'),
            ('measurements_quarantine', 'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('notice_rules',            'DELETE, INSERT, SELECT',         'DELETE, INSERT, SELECT, UPDATE'),
            ('notices',                 'SELECT',                         'SELECT'),
            ('oauth_accounts',          '',                               'DELETE, INSERT, SELECT, UPDATE'),
            ('revoked_tokens',          '',                               'DELETE, INSERT, SELECT'),
            ('schema_migrations',       'SELECT',                         'SELECT'),
            ('sync_cursor',             'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('sync_journal',            'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('sync_workers',            'DELETE, INSERT, SELECT, UPDATE', ''),
            ('users',                   '',                               'DELETE, INSERT, SELECT, UPDATE'),
            ('vehicle_access',          'SELECT',                         'DELETE, INSERT, SELECT, UPDATE'),
            ('vehicle_leases',          'DELETE, INSERT, SELECT, UPDATE', ''),
            ('vehicle_silences',        'SELECT',                         'SELECT'),
            ('vehicle_sync',            'DELETE, INSERT, SELECT, UPDATE', 'SELECT'),
            ('vehicles',                'DELETE, INSERT, SELECT, UPDATE', 'DELETE, INSERT, SELECT, UPDATE')
        ) AS ours (name, sync, api) WHERE to_regclass(name) IS NOT NULL
    LOOP
        BEGIN
            IF (SELECT relowner FROM pg_class WHERE oid = wanted.relation) <> 'telehaul_owner'::regrole THEN
                EXECUTE format('ALTER TABLE %s OWNER TO telehaul_owner', wanted.relation);
            END IF;
            FOR granted IN
                SELECT role.name, role.rights FROM (VALUES ('telehaul_sync', wanted.sync), ('telehaul_api', wanted.api))
                    AS role (name, rights)
                WHERE role.rights <> (SELECT coalesce(string_agg(DISTINCT acl.privilege_type, ', '), '')
                                      FROM pg_class, aclexplode(relacl) AS acl
                                      WHERE pg_class.oid = wanted.relation AND acl.grantee = to_regrole(role.name))
            LOOP
                EXECUTE format('REVOKE ALL ON %s FROM %I', wanted.relation, granted.name);
                IF granted.rights <> '' THEN
                    EXECUTE format('GRANT %s ON %s TO %I', granted.rights, wanted.relation, granted.name);
                END IF;
            END LOOP;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END $$;

-- Partitions: nobody's but the owner's. Whom notices go to: all of a user but the password.
DO $$
DECLARE
    part regclass;
BEGIN
    IF to_regrole('telehaul_owner') IS NULL OR to_regrole('telehaul_sync') IS NULL OR to_regrole('telehaul_api') IS NULL THEN
        RETURN;
    END IF;
    FOR part IN
        SELECT inhrelid FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = 'measurements'::regclass AND relowner <> 'telehaul_owner'::regrole
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO telehaul_owner', part);
    END LOOP;
    FOR part IN
        SELECT inhrelid FROM pg_inherits JOIN pg_class ON oid = inhrelid, aclexplode(relacl) AS acl
        WHERE inhparent = 'measurements'::regclass AND acl.grantee <> relowner
    LOOP
        PERFORM fleet_seal(part);
    END LOOP;
    IF NOT has_column_privilege('telehaul_sync', 'users', 'email', 'SELECT') THEN
        GRANT SELECT (user_id, email, name, role, status, created_at) ON users TO telehaul_sync;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$;

-- Functions that are not everybody's: with the owner's rights, for telehaul_sync where it says so.
DO $$
DECLARE
    wanted record;
BEGIN
    IF to_regrole('telehaul_owner') IS NULL OR to_regrole('telehaul_sync') IS NULL OR to_regrole('telehaul_api') IS NULL THEN
        RETURN;
    END IF;
    FOR wanted IN
        SELECT to_regprocedure(name) AS function, sync FROM (VALUES
            ('app_active_user_id()',                        false),
            ('app_is_superuser()',                          false),
            ('app_user_id()',                               false),
            ('app_vehicle_ids()',                           false),
            ('fleet_drop_months(integer, timestamptz)',     true),
            ('fleet_make_month(integer, integer)',          true),
            ('fleet_protect(regclass)',                     false),
            ('fleet_seal(regclass)',                        false),
            ('fleet_tell(text, integer, text, text, text)', true),
            ('fleet_tell_silent(integer, timestamptz)',     true),
            ('notice_alarms()',                             false),
            ('notice_begin(text, bigint, integer)',         true),
            ('notice_claim(text, text, integer, integer)',  true),
            ('notice_end(text, bigint, text, boolean)',     true),
            ('notice_forget()',                             true),
            ('notice_release(text)',                        true),
            ('users_guard()',                               false)
        ) AS ours (name, sync) WHERE to_regprocedure(name) IS NOT NULL
    LOOP
        IF (SELECT proowner FROM pg_proc WHERE oid = wanted.function) <> 'telehaul_owner'::regrole THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO telehaul_owner', wanted.function);
        END IF;
        IF wanted.sync AND NOT has_function_privilege('telehaul_sync', wanted.function, 'EXECUTE') THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO telehaul_sync', wanted.function);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$;
