-- What roles.sql could not do, a line for people each; no row: all is as it should be.
WITH ours AS (SELECT * FROM (VALUES ('telehaul_owner'), ('telehaul_sync'), ('telehaul_api')) AS role (name)),
     missing AS (SELECT string_agg(name, ', ') AS names FROM ours WHERE to_regrole(name) IS NULL)
SELECT 'the database''s roles are not there: ' || names FROM missing WHERE names IS NOT NULL
UNION ALL
SELECT 'telehaul_sync has no BYPASSRLS: readings go in slowly, for PostgreSQL refuses COPY then'
FROM pg_roles WHERE rolname = 'telehaul_sync' AND NOT rolbypassrls AND NOT rolsuper
UNION ALL
SELECT 'telehaul_api can become ' || rolname || ', whom no row-level security binds: revoke that'
FROM pg_roles WHERE (rolsuper OR rolbypassrls OR rolname = 'telehaul_owner') AND to_regrole('telehaul_api') IS NOT NULL
                    AND pg_has_role(to_regrole('telehaul_api'), oid, 'MEMBER')
UNION ALL
SELECT 'tables do not belong to telehaul_owner: ' || string_agg(relname, ', ' ORDER BY relname)
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
                    AND (relname = 'schema_migrations' OR (relrowsecurity AND NOT relispartition))
                    AND relowner <> to_regrole('telehaul_owner') HAVING count(*) > 0
UNION ALL
SELECT 'rights are not given: ' || string_agg(role || ' on ' || relation, ', ' ORDER BY role, relation)
FROM (VALUES ('telehaul_sync', 'measurements', 'INSERT'), ('telehaul_sync', 'vehicles', 'UPDATE'),
             ('telehaul_sync', 'schema_migrations', 'SELECT'), ('telehaul_api', 'vehicles', 'SELECT'),
             ('telehaul_api', 'measurements', 'SELECT')) AS needed (role, relation, privilege)
WHERE to_regrole(role) IS NOT NULL AND NOT has_table_privilege(to_regrole(role), relation, privilege) HAVING count(*) > 0
UNION ALL
SELECT 'everybody may make tables in the schema ' || current_schema() || ': REVOKE CREATE ON SCHEMA '
       || quote_ident(current_schema()) || ' FROM PUBLIC'
FROM pg_namespace, aclexplode(nspacl) AS acl
WHERE nspname = current_schema() AND acl.grantee = 0 AND acl.privilege_type = 'CREATE'
