-- Schedules, on pg_cron: the job is one CALL, and runs as whoever has scheduled it. What was asked for is kept here as well, so that a dump
-- has it; the jobs are pg_cron's.

-- Fields of a cron expression as numbers. Names of months and days count as well.
CREATE FUNCTION segmentation.cron_field(field text, low integer, high integer, names text[]) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
DECLARE
    part text;
    range text[];
    first integer;
    last integer;
    step integer;
    found_numbers integer[] := ARRAY[]::integer[];
BEGIN
    FOREACH part IN ARRAY string_to_array(lower(field), ',') LOOP
        FOR n IN 1..coalesce(cardinality(names), 0) LOOP
            part := replace(part, names[n], (low + n - 1)::text);
        END LOOP;
        range := regexp_match(part, '^(?:\*|(\d{1,4})(?:-(\d{1,4}))?)(?:/(\d{1,4}))?$');
        -- A step goes with a range, or with all.
        IF range IS NULL OR (range[3] IS NOT NULL AND range[1] IS NOT NULL AND range[2] IS NULL) THEN
            RETURN NULL;
        END IF;
        first := coalesce(range[1]::integer, low);
        step := coalesce(range[3]::integer, 1);
        last := coalesce(range[2]::integer, CASE WHEN range[1] IS NULL THEN high ELSE first END);
        IF first < low OR last > high OR last < first OR step < 1 THEN
            RETURN NULL;
        END IF;
        found_numbers := found_numbers || ARRAY(SELECT generate_series(first, last, step));
    END LOOP;
    RETURN found_numbers;
END $$;
COMMENT ON FUNCTION segmentation.cron_field(text, integer, integer, text[]) IS 'Internal: a field of a cron expression as numbers, or NULL.';

-- When a cron expression is next due, by the rules of cron(8): day of the month or day of the week, where both are restricted.
CREATE FUNCTION segmentation.next_run(cron_expression text, after timestamptz, timezone text DEFAULT 'GMT') RETURNS timestamptz LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
DECLARE
    fields text[] := regexp_split_to_array(trim(cron_expression), '\s+');
    minutes integer[];
    hours integer[];
    days integer[];
    months integer[];
    weekdays integer[];
    local timestamp := date_trunc('minute', after AT TIME ZONE timezone) + interval '1 minute';
    next_local timestamp;
BEGIN
    IF cardinality(fields) <> 5 OR NOT isfinite(after) THEN
        RETURN NULL;
    END IF;
    minutes := segmentation.cron_field(fields[1], 0, 59, NULL);
    hours := segmentation.cron_field(fields[2], 0, 23, NULL);
    days := segmentation.cron_field(fields[3], 1, 31, NULL);
    months := segmentation.cron_field(fields[4], 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
    weekdays := segmentation.cron_field(fields[5], 0, 7, '{sun,mon,tue,wed,thu,fri,sat}');
    IF minutes IS NULL OR hours IS NULL OR days IS NULL OR months IS NULL OR weekdays IS NULL THEN
        RETURN NULL;
    END IF;
    weekdays := array_replace(weekdays, 0, 7);  -- both are Sunday
    SELECT t.moment INTO next_local
      FROM (SELECT d.day FROM generate_series(date_trunc('day', local), date_trunc('day', local) + interval '8 years', interval '1 day') AS d(day)
             WHERE extract(month FROM d.day)::integer = ANY (months)
               AND CASE WHEN fields[3] LIKE '*%' OR fields[5] LIKE '*%'
                        THEN extract(day FROM d.day)::integer = ANY (days) AND extract(isodow FROM d.day)::integer = ANY (weekdays)
                        ELSE extract(day FROM d.day)::integer = ANY (days) OR extract(isodow FROM d.day)::integer = ANY (weekdays) END
             ORDER BY d.day LIMIT 2) AS d,
           unnest(hours) AS h(hour), unnest(minutes) AS m(minute), LATERAL (SELECT d.day + make_interval(hours => h.hour, mins => m.minute) AS moment) AS t
     WHERE t.moment >= local ORDER BY t.moment LIMIT 1;
    RETURN next_local AT TIME ZONE timezone;
END $$;
COMMENT ON FUNCTION segmentation.next_run(text, timestamptz, text) IS 'When a cron expression is next due after a moment; NULL where it never is, or is none.';

CREATE FUNCTION segmentation.note_schedule_as_owner(caller name, model_name text, cron_expression text, command text, job_name text, job_database text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model := segmentation.registry_require(caller, model_name, 'owner');
BEGIN
    IF EXISTS (SELECT FROM segmentation.registry_schedule AS s WHERE s.model = model_name AND s.scheduled_by <> caller AND EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = s.scheduled_by)) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('model "%s" is scheduled by somebody else', model_name),
            DETAIL = format('Jobs of pg_cron belong to whoever has scheduled them: %I.', (SELECT s.scheduled_by FROM segmentation.registry_schedule AS s WHERE s.model = model_name)),
            HINT = 'That role can take it off with segmentation.unschedule.';
    ELSIF cron_expression IS NULL THEN
        DELETE FROM segmentation.registry_schedule AS s WHERE s.model = model_name;
        PERFORM segmentation.registry_note(caller, 'unschedule', model_name, NULL, NULL);
        RETURN;
    END IF;
    PERFORM segmentation.registry_check_reader(caller, about, segmentation.registry_version_of(model_name, NULL));
    INSERT INTO segmentation.registry_schedule AS s (model, cron_expression, command, job_name, job_database, scheduled_by)
    VALUES (model_name, note_schedule_as_owner.cron_expression, note_schedule_as_owner.command, note_schedule_as_owner.job_name, note_schedule_as_owner.job_database, caller)
    ON CONFLICT ON CONSTRAINT registry_schedule_pkey DO UPDATE SET cron_expression = excluded.cron_expression, command = excluded.command,
        job_name = excluded.job_name, job_database = excluded.job_database, scheduled_by = excluded.scheduled_by, scheduled = now();
    PERFORM segmentation.registry_note(caller, 'schedule', model_name, NULL, format('%s: %s', cron_expression, command));
END $$;
COMMENT ON FUNCTION segmentation.note_schedule_as_owner(name, text, text, text, text, text) IS 'Internal: note_schedule.';
CREATE FUNCTION segmentation.note_schedule(name text, cron_expression text, command text, job_name text, job_database text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.note_schedule(text, text, text, text, text) IS 'Internal: keeps what was scheduled.';

-- Where pg_cron lives; only superusers may ask the server.
CREATE FUNCTION segmentation.cron_database_as_owner(caller name) RETURNS text LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN current_setting('cron.database_name', true);
END $$;
COMMENT ON FUNCTION segmentation.cron_database_as_owner(name) IS 'Internal: cron_database.';
CREATE FUNCTION segmentation.cron_database() RETURNS text
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.cron_database() IS 'Internal: the database in which pg_cron keeps its jobs; NULL where it is not loaded.';

CREATE FUNCTION segmentation.has_cron() RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AND to_regclass('cron.job') IS NOT NULL AND to_regclass('cron.job_run_details') IS NOT NULL $$;
COMMENT ON FUNCTION segmentation.has_cron() IS 'Internal: whether pg_cron is in this database.';

-- pg_cron, or an error that says how to get it.
CREATE FUNCTION segmentation.require_cron(command text, job_name text, cron_expression text) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home text := segmentation.cron_database();
BEGIN
    IF segmentation.has_cron() THEN
        IF NOT has_schema_privilege('cron', 'USAGE') THEN
            RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied for pg_cron', HINT = format('A superuser can allow it: GRANT USAGE ON SCHEMA cron TO %I.', current_user);
        END IF;
        RETURN;
    ELSIF home IS NOT NULL AND home <> current_database() THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('pg_cron is in database "%s", and not in this one', home),
            HINT = format('There, this schedules the model: SELECT cron.schedule_in_database(%L, %L, %L, %L)', job_name, coalesce(cron_expression, '0 3 * * 0'), command, current_database());
    END IF;
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'pg_cron is not installed',
        DETAIL = 'Schedules are jobs of the extension pg_cron.',
        HINT = format('Install the package (postgresql-%s-cron on Debian), add pg_cron to shared_preload_libraries, set cron.database_name to %L, restart the server and run CREATE EXTENSION pg_cron.',
                      current_setting('server_version_num')::integer / 10000, current_database());
END $$;
COMMENT ON FUNCTION segmentation.require_cron(text, text, text) IS 'Internal: raises an error where pg_cron cannot be used.';

CREATE FUNCTION segmentation.schedule(name text, cron_expression text, max_age interval DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    command text := CASE WHEN max_age IS NULL THEN format('CALL segmentation.retrain(%L)', name) ELSE format('CALL segmentation.retrain_due(%L, %L)', name, max_age) END;
    job_name text := 'segmentation: ' || name;
    job bigint;
BEGIN
    IF cron_expression IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'cron_expression must not be null', HINT = 'segmentation.unschedule takes a model off its schedule.';
    ELSIF segmentation.next_run(cron_expression, now()) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('invalid cron expression "%s"', cron_expression),
            DETAIL = 'It is not made of minute, hour, day of the month, month and day of the week, or is never due.', HINT = 'For example ''0 3 * * 0'', Sundays at three.';
    END IF;
    PERFORM segmentation.require_cron(command, job_name, cron_expression);
    PERFORM segmentation.note_schedule(name, cron_expression, command, job_name, current_database());
    EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO job USING job_name, cron_expression, command;
    RETURN job;
END $$;
COMMENT ON FUNCTION segmentation.schedule(text, text, interval) IS 'Has pg_cron retrain a model, as the current user, and returns the number of the job: always, or with max_age when it is older or the data have drifted. Called again, it changes the schedule.';

CREATE FUNCTION segmentation.unschedule(name text) RETURNS boolean LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job_name text := 'segmentation: ' || name;
    known boolean;
BEGIN
    PERFORM segmentation.require_cron(format('CALL segmentation.retrain(%L)', name), job_name, NULL);
    PERFORM segmentation.note_schedule(name, NULL, NULL, NULL, NULL);
    EXECUTE 'SELECT EXISTS (SELECT FROM cron.job WHERE jobname = $1 AND username = current_user)' INTO known USING job_name;
    IF known THEN
        EXECUTE 'SELECT cron.unschedule($1)' USING job_name;
    END IF;
    RETURN known;
END $$;
COMMENT ON FUNCTION segmentation.unschedule(text) IS 'Takes a model off its schedule; false where pg_cron had no such job of the current user.';

-- What pg_cron knows of the jobs of a user's models. The view asks for it; it is only told of models that the caller may use.
CREATE FUNCTION segmentation.cron_jobs_as_owner(caller name) RETURNS jsonb LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    jobs jsonb;
BEGIN
    IF NOT segmentation.has_cron() THEN
        RETURN '[]';
    END IF;
    EXECUTE $query$
        SELECT jsonb_agg(jsonb_build_object('model', s.model, 'job', j.jobid, 'active', j.active, 'timezone', coalesce(current_setting('cron.timezone', true), 'GMT'), 'time', d.start_time, 'finished', d.end_time,
                                            'status', d.status, 'message', d.return_message))
          FROM segmentation.registry_schedule AS s JOIN cron.job AS j ON j.jobname = s.job_name AND j.username = s.scheduled_by AND j.database = s.job_database
          LEFT JOIN LATERAL (SELECT * FROM cron.job_run_details AS d WHERE d.jobid = j.jobid AND d.start_time IS NOT NULL ORDER BY d.runid DESC LIMIT 1) AS d ON true
         WHERE segmentation.registry_may($1, s.model, 'use') $query$ INTO jobs USING caller;
    RETURN coalesce(jobs, '[]');
END $$;
COMMENT ON FUNCTION segmentation.cron_jobs_as_owner(name) IS 'Internal: cron_jobs.';
CREATE FUNCTION segmentation.cron_jobs() RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.cron_jobs() IS 'Internal: what pg_cron knows of scheduled models.';

-- Takes the job of a model that is dropped away, or says that it stays.
CREATE FUNCTION segmentation.registry_drop_job(model_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scheduled segmentation.registry_schedule;
BEGIN
    SELECT s.* INTO scheduled FROM segmentation.registry_schedule AS s WHERE s.model = model_name;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF segmentation.has_cron() THEN
        EXECUTE 'DELETE FROM cron.job WHERE jobname = $1 AND username = $2 AND database = $3' USING scheduled.job_name, scheduled.scheduled_by::text, scheduled.job_database;
    ELSE
        RAISE WARNING 'model "%" was scheduled; pg_cron is not in this database, and may still have job "%"', model_name, scheduled.job_name;
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.registry_drop_job(text) IS 'Internal: takes the job of a dropped model away.';

CREATE VIEW segmentation.schedules WITH (security_barrier) AS
    SELECT s.model, s.cron_expression, s.command, s.scheduled_by::text AS scheduled_by, s.scheduled, (j.item ->> 'job')::float8 AS job,
           CASE WHEN j.item IS NULL THEN 'not in pg_cron' WHEN (j.item ->> 'active')::boolean THEN 'active' ELSE 'inactive' END AS state,
           (j.item ->> 'time')::timestamptz AS last_run, (j.item ->> 'finished')::timestamptz AS last_finished, j.item ->> 'status' AS last_status,
           j.item ->> 'message' AS last_message,
           CASE WHEN (j.item ->> 'active')::boolean
                THEN segmentation.next_run(s.cron_expression, pg_catalog.now(), j.item ->> 'timezone') END AS next_run,
           r.status AS last_training, r.message AS last_outcome
      FROM segmentation.registry_schedule AS s JOIN segmentation.registry_visible AS m ON m.name = s.model
      LEFT JOIN pg_catalog.jsonb_array_elements((SELECT segmentation.cron_jobs())) AS j(item) ON j.item ->> 'model' = s.model
      LEFT JOIN LATERAL (SELECT h.status, h.message FROM segmentation.registry_run_status AS h WHERE h.model = s.model AND h.kind = 'retrain' ORDER BY h.id DESC LIMIT 1) AS r ON true;
COMMENT ON VIEW segmentation.schedules IS 'Models that are retrained on a schedule: when last, with what outcome, and when next.';
COMMENT ON COLUMN segmentation.schedules.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.schedules.cron_expression IS 'When it is retrained: minute, hour, day of the month, month, day of the week, in pg_cron''s time zone.';
COMMENT ON COLUMN segmentation.schedules.command IS 'What pg_cron runs.';
COMMENT ON COLUMN segmentation.schedules.scheduled_by IS 'Who has scheduled it, and as whom it runs.';
COMMENT ON COLUMN segmentation.schedules.scheduled IS 'When it was scheduled.';
COMMENT ON COLUMN segmentation.schedules.job IS 'Number of the job in pg_cron.';
COMMENT ON COLUMN segmentation.schedules.state IS 'active, inactive, or not in pg_cron: after a restore, call segmentation.schedule again.';
COMMENT ON COLUMN segmentation.schedules.last_run IS 'When pg_cron last began the job.';
COMMENT ON COLUMN segmentation.schedules.last_finished IS 'When that ended.';
COMMENT ON COLUMN segmentation.schedules.last_status IS 'What pg_cron says of it: running, succeeded or failed.';
COMMENT ON COLUMN segmentation.schedules.last_message IS 'What the job returned, or its error.';
COMMENT ON COLUMN segmentation.schedules.next_run IS 'When it is next due.';
COMMENT ON COLUMN segmentation.schedules.last_training IS 'Status of the last retraining: running, succeeded, refused, failed or interrupted.';
COMMENT ON COLUMN segmentation.schedules.last_outcome IS 'What was decided and why, or the error.';
