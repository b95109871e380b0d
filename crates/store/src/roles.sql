DO $roles$
DECLARE
    place text := current_schema();
    owner text := '{owner}';
    application text := '{application}';
    monitor text := '{monitor}';
    part record;
BEGIN
    FOR part IN SELECT unnest(ARRAY[owner, application, monitor]) AS name LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = part.name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', part.name);
        END IF;
    END LOOP;
    -- Only who is of a role may give it something.
    IF NOT pg_has_role(owner, 'MEMBER') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', owner);
    END IF;

    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', place);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', place, owner);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', place, application, monitor);

    -- The application reads and writes rows, of tables to come too. What was migrated is the owner's to say.
    FOR part IN SELECT relname AS name FROM pg_class
        WHERE relnamespace = place::regnamespace AND relkind = 'r' AND relname = ANY (ARRAY[{tables}])
    LOOP
        EXECUTE format('ALTER TABLE %I.%I OWNER TO %I', place, part.name, owner);
        EXECUTE format('REVOKE ALL ON %I.%I FROM PUBLIC, %I, %I', place, part.name, application, monitor);
        EXECUTE format('GRANT SELECT ON %I.%I TO %I', place, part.name, application);
        IF part.name <> 'migrations' THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I.%I TO %I', place, part.name, application);
        END IF;
    END LOOP;
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I',
        owner, place, application);

    -- Who watches sees the columns that everybody may see, and figures made of the others.
    FOR part IN SELECT given.in_table, given.name FROM (VALUES
            {public}
        ) AS given (in_table, name)
        JOIN pg_class c ON c.relname = given.in_table AND c.relnamespace = place::regnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = given.name AND NOT a.attisdropped
    LOOP
        EXECUTE format('GRANT SELECT (%I) ON %I.%I TO %I', part.name, place, part.in_table, monitor);
    END LOOP;
    PERFORM set_config('check_function_bodies', 'off', true);
    EXECUTE format($make$
        CREATE OR REPLACE FUNCTION %1$I.lab_figures() RETURNS TABLE (
            queued bigint, running bigint, active bigint, paused bigint, draining bigint, stopped bigint,
            asking bigint, unusable bigint, undriven bigint
        ) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = %1$I, pg_temp AS $figures${figures}$figures$
    $make$, place);
    EXECUTE format('ALTER FUNCTION %I.lab_figures() OWNER TO %I', place, owner);
    EXECUTE format('REVOKE ALL ON FUNCTION %I.lab_figures() FROM PUBLIC', place);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %I.lab_figures() TO %I, %I', place, application, monitor);
END
$roles$;
