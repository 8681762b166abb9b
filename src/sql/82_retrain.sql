-- Retraining: the active version's definition on today's rows.

-- Functions of a source run as whoever reads it. So nobody reads the source of a definition by its name but those whose definition it is:
-- the owner's members, and not whoever has all rights anyway.
CREATE FUNCTION segmentation.registry_check_reader(caller name, about segmentation.registry_model, chosen segmentation.registry_version) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT segmentation.registry_is_member(caller, about.owner) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for model "%s"', about.name),
            DETAIL = format('Functions of its source run as whoever reads it, so only %I and its members do that; being a superuser is not enough.', about.owner),
            HINT = 'Connect as one of them, or train the model from a source of your own.';
    ELSIF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = session_user) AND NOT segmentation.registry_is_member(session_user, about.owner) THEN
        -- A function of the source could RESET ROLE.
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for model "%s"', about.name),
            DETAIL = 'Functions of its source could become the superuser that has connected, whatever SET ROLE says.', HINT = format('Connect as %I or one of its members.', about.owner);
    ELSIF chosen.definition = '{}' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" has no definition', chosen.version, about.name),
            DETAIL = 'It was registered, and what it was trained on is not known.', HINT = 'Train the model with segmentation.train.';
    ELSIF NOT segmentation.registry_is_member(chosen.trained_by, about.owner) AND NOT segmentation.registry_is_member(caller, chosen.trained_by) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('version %s of model "%s" was trained by %I on a source of its choice', chosen.version, about.name, chosen.trained_by),
            DETAIL = format('%I is not a member of the owner, %I, and functions of the source would run as you.', chosen.trained_by, about.owner),
            HINT = 'Train the model from a source that you trust with segmentation.train.';
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.registry_check_reader(name, segmentation.registry_model, segmentation.registry_version) IS 'Internal: whether a role may read the source of a definition.';

-- Starts the record of a run, and ends those of runs whose session is gone. (Or seems to be: between the first commit of a retraining and its
-- second transaction nobody holds its lock. What it says of itself in the end has the last word.)
CREATE FUNCTION segmentation.begin_run_as_owner(caller name, model_name text) RETURNS bigint LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model := segmentation.registry_require(caller, model_name, 'owner');
    champion segmentation.registry_version := segmentation.registry_version_of(model_name, NULL);
    run bigint;
BEGIN
    PERFORM segmentation.registry_check_reader(caller, about, champion);
    PERFORM segmentation.lock_training(model_name);
    UPDATE segmentation.registry_run AS r SET state = 'interrupted', finished = clock_timestamp(), message = 'the session ended before the training did'
     WHERE r.model = model_name AND r.state = 'running';
    INSERT INTO segmentation.registry_run (model, kind, state, started, started_by) VALUES (model_name, 'retrain', 'running', clock_timestamp(), caller)
    RETURNING id INTO run;
    RETURN run;
END $$;
COMMENT ON FUNCTION segmentation.begin_run_as_owner(name, text) IS 'Internal: begin_run.';
CREATE FUNCTION segmentation.begin_run(name text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.begin_run(text) IS 'Internal: starts the record of a retraining.';

CREATE FUNCTION segmentation.end_run_as_owner(caller name, run bigint, state text, message text, sqlstate text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    model_name text;
BEGIN
    UPDATE segmentation.registry_run AS r SET state = end_run_as_owner.state, finished = clock_timestamp(), message = end_run_as_owner.message,
           sqlstate = end_run_as_owner.sqlstate
     WHERE r.id = run AND r.state IN ('running', 'interrupted') AND r.started_by = caller AND end_run_as_owner.state IN ('refused', 'failed')
    RETURNING r.model INTO model_name;
    IF FOUND THEN
        PERFORM segmentation.registry_note(caller, 'retrain', model_name, NULL, format('%s: %s', state, message));
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.end_run_as_owner(name, bigint, text, text, text) IS 'Internal: end_run.';
CREATE FUNCTION segmentation.end_run(run bigint, state text, message text, sqlstate text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.end_run(bigint, text, text, text) IS 'Internal: ends the record of a retraining of which nothing came.';

-- The training of a run, by the definition of the version that version_of has checked. seed: NULL for that of the definition.
CREATE FUNCTION segmentation.train_again(caller_path text, model_name text, run bigint, seed bigint) RETURNS segmentation.training LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    done segmentation.training;
BEGIN
    done := segmentation.train_version(caller_path, model_name, (segmentation.version_of(model_name, NULL)).definition - 'k_range', true, 'retrain', seed, run);
    IF done.version IS NULL THEN
        PERFORM segmentation.end_run(run, 'refused', array_to_string(done.decision || done.reasons, '; '), NULL);
    END IF;
    RETURN done;
END $$;
COMMENT ON FUNCTION segmentation.train_again(text, text, bigint, bigint) IS 'Internal: the training of a retraining.';

CREATE TYPE segmentation.run_outcome AS (done segmentation.training, sqlstate text, message text, detail text, hint text);
COMMENT ON TYPE segmentation.run_outcome IS 'Internal: how a retraining ended.';

-- An error becomes data, so that the history can say it; a cancel or a shutdown is none that OTHERS catches.
CREATE FUNCTION segmentation.try_train_again(caller_path text, model_name text, run bigint, seed bigint) RETURNS segmentation.run_outcome LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome segmentation.run_outcome;
BEGIN
    BEGIN
        outcome.done := segmentation.train_again(caller_path, model_name, run, seed);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS outcome.sqlstate = RETURNED_SQLSTATE, outcome.message = MESSAGE_TEXT, outcome.detail = PG_EXCEPTION_DETAIL,
            outcome.hint = PG_EXCEPTION_HINT;
    END;
    IF outcome.sqlstate IS NOT NULL THEN
        PERFORM segmentation.end_run(run, 'failed', concat_ws(': ', outcome.message, nullif(outcome.detail, '')), outcome.sqlstate);
    END IF;
    RETURN outcome;
END $$;
COMMENT ON FUNCTION segmentation.try_train_again(text, text, bigint, bigint) IS 'Internal: the training of a retraining, with an error as its result.';

CREATE FUNCTION segmentation.raise_again(outcome segmentation.run_outcome) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Empty details would be shown.
    IF outcome.detail <> '' AND outcome.hint <> '' THEN
        RAISE EXCEPTION USING ERRCODE = outcome.sqlstate, MESSAGE = outcome.message, DETAIL = outcome.detail, HINT = outcome.hint;
    ELSIF outcome.detail <> '' THEN
        RAISE EXCEPTION USING ERRCODE = outcome.sqlstate, MESSAGE = outcome.message, DETAIL = outcome.detail;
    ELSIF outcome.hint <> '' THEN
        RAISE EXCEPTION USING ERRCODE = outcome.sqlstate, MESSAGE = outcome.message, HINT = outcome.hint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = outcome.sqlstate, MESSAGE = outcome.message;
END $$;
COMMENT ON FUNCTION segmentation.raise_again(segmentation.run_outcome) IS 'Internal: raises an error that had become data.';

CREATE FUNCTION segmentation.report_run(outcome segmentation.run_outcome) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    done segmentation.training := outcome.done;
BEGIN
    IF outcome.sqlstate IS NOT NULL THEN
        PERFORM segmentation.raise_again(outcome);
    ELSIF cardinality(done.reasons) > 0 THEN
        RAISE WARNING USING MESSAGE = format('model "%s": %s', done.model, coalesce('version ' || done.version || ' is a ' || done.decision, 'refused: ' || done.decision)),
            DETAIL = array_to_string(done.reasons, '; ') || '.';
    ELSE
        RAISE NOTICE 'model "%": version %, %; % rows, % segments, inertia %', done.model, done.version, done.decision, done.rows, done.segments,
            segmentation.in_words(done.inertia);
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.report_run(segmentation.run_outcome) IS 'Internal: says how a retraining ended.';

CREATE FUNCTION segmentation.check_commits(command text, hint text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_check_commits' LANGUAGE C STRICT;
COMMENT ON FUNCTION segmentation.check_commits(text, text) IS 'Internal: raises an error within a transaction block, where a procedure cannot commit.';

-- Commits, so it has no SET clause and holds only qualified calls (docs/decisions.md).
CREATE PROCEDURE segmentation.retrain(name text, seed bigint DEFAULT NULL) LANGUAGE plpgsql
AS $$
DECLARE
    run bigint;
    outcome segmentation.run_outcome;
BEGIN
    PERFORM segmentation.check_commits('CALL segmentation.retrain', 'segmentation.retrain_once does the same inside a transaction.');
    run := segmentation.begin_run(name);
    COMMIT;
    outcome := segmentation.try_train_again(pg_catalog.current_setting('search_path'), name, run, seed);
    COMMIT;
    PERFORM segmentation.report_run(outcome);
END $$;
COMMENT ON PROCEDURE segmentation.retrain(text, bigint) IS 'Trains the active version''s definition on today''s rows, matches the new segments to the old ones and activates the result when it passes the gate. Commits, so that the history shows a run while it goes on; seed replaces the definition''s.';

CREATE FUNCTION segmentation.retrain_once(name text, seed bigint DEFAULT NULL) RETURNS segmentation.training LANGUAGE plpgsql
AS $$
BEGIN
    RETURN segmentation.train_again(pg_catalog.current_setting('search_path'), name, segmentation.begin_run(name), seed);
END $$;
COMMENT ON FUNCTION segmentation.retrain_once(text, bigint) IS 'Like CALL segmentation.retrain, inside a transaction: an error undoes all of it, its record included.';
