-- How a version comes into the registry: under whose lock, whether it takes over, with which ids of segments.

-- One training of a model at a time: a lock of the transaction, seen in pg_locks, which is how a run whose session is gone is told from
-- one that goes on.
CREATE FUNCTION segmentation.training_lock(model text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT hashtextextended('segmentation.training ' || model COLLATE "C", 0) $$;
COMMENT ON FUNCTION segmentation.training_lock(text) IS 'Internal: the key of the advisory lock that a training of a model holds.';

CREATE FUNCTION segmentation.lock_training(model text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(segmentation.training_lock(model)) THEN
        RAISE EXCEPTION USING ERRCODE = '55006', MESSAGE = format('model "%s" is being trained by another session', model),
            DETAIL = (SELECT format('It is that of process %s.', coalesce(string_agg(l.pid::text, ', '), '(ended meanwhile)')) FROM pg_locks AS l
                       WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND (l.classid::bigint << 32 | l.objid::bigint) = segmentation.training_lock(model)),
            HINT = 'The view segmentation.training_history shows since when; try again when it has ended.';
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.lock_training(text) IS 'Internal: takes the lock of a training, or raises an error.';

-- The version to compare a training with: the active one; NULL where there is none, or no such model yet.
CREATE FUNCTION segmentation.champion_as_owner(caller name, model_name text) RETURNS segmentation.registry_version LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found segmentation.registry_version;
BEGIN
    IF model_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'name of a model must not be null';
    ELSIF model_name = '' OR octet_length(model_name) > 63 THEN
        RAISE EXCEPTION USING ERRCODE = '42602', MESSAGE = 'invalid name of a model', DETAIL = format('It has %s bytes.', octet_length(model_name)),
            HINT = 'A name has from 1 to 63 bytes.';
    ELSIF EXISTS (SELECT FROM segmentation.registry_model AS m WHERE m.name = model_name) THEN
        IF NOT segmentation.registry_may(caller, model_name, 'use') THEN
            RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('name "%s" of a model is taken', model_name),
                DETAIL = 'The model belongs to somebody else.', HINT = 'Choose another name.';
        END IF;
        PERFORM segmentation.registry_require(caller, model_name, 'train');
        SELECT v.* INTO found FROM segmentation.registry_version AS v WHERE v.model = model_name AND v.active;
        IF NOT segmentation.registry_may(caller, model_name, 'owner') THEN
            found.source_text := NULL;
        END IF;
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION segmentation.champion_as_owner(name, text) IS 'Internal: champion.';
CREATE FUNCTION segmentation.champion(name text) RETURNS segmentation.registry_version
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.champion(text) IS 'Internal: the version that a training is compared with.';

-- Activates a version; nothing is checked here.
CREATE FUNCTION segmentation.registry_activate(model_name text, version_number integer) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trainer name;
    model_owner name;
BEGIN
    UPDATE segmentation.registry_version AS v SET active = false WHERE v.model = model_name AND v.active AND v.version <> version_number;
    UPDATE segmentation.registry_version AS v SET active = true, state = 'accepted', activated = clock_timestamp()
     WHERE v.model = model_name AND v.version = version_number;
    UPDATE segmentation.registry_model AS m SET took_over = m.took_over[greatest(1, cardinality(m.took_over) - 98):] || version_number
     WHERE m.name = model_name AND m.took_over[cardinality(m.took_over)] IS DISTINCT FROM version_number;
    SELECT v.trained_by, m.owner INTO trainer, model_owner FROM segmentation.registry_version AS v JOIN segmentation.registry_model AS m ON m.name = v.model
     WHERE v.model = model_name AND v.version = version_number AND v.definition <> '{}';
    IF FOUND AND NOT segmentation.registry_is_member(trainer, model_owner) THEN
        RAISE WARNING USING MESSAGE = format('version %s of model "%s" was trained by %I, who is not a member of its owner', version_number, model_name, trainer),
            DETAIL = format('Functions of a source run as whoever reads it, so the model is not retrained, nor asked for drift, by %I.', model_owner),
            HINT = 'For that, a member of the owner trains it with segmentation.train.';
    END IF;
    PERFORM segmentation.registry_replace_views(model_name);
END $$;
COMMENT ON FUNCTION segmentation.registry_activate(text, integer) IS 'Internal: makes a version the active one.';

-- Whether a version may take over only after somebody other than its trainer has approved it: by its own gate, or by that of the version that
-- it would replace, so that the rule can only be dropped by somebody's approval, too.
CREATE FUNCTION segmentation.registry_is_manual(model_name text, definition jsonb) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(bool_or(definition -> 'gate' ->> 'approval' IS NOT DISTINCT FROM 'manual' OR v.definition -> 'gate' ->> 'approval' IS NOT DISTINCT FROM 'manual'), false)
      FROM segmentation.registry_version AS v WHERE v.model = model_name AND v.active
$$;
COMMENT ON FUNCTION segmentation.registry_is_manual(text, jsonb) IS 'Internal: whether a version has to be approved before it takes over.';

-- Whether a version that is being added takes over, and why or why not.
CREATE FUNCTION segmentation.registry_decide(caller name, about segmentation.registry_model, active_version integer, payload jsonb, has_objections boolean,
    OUT activate boolean, OUT verdict text) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_first boolean := about.last_version = 0;
    wanted boolean := coalesce((payload ->> 'activate')::boolean, is_first);
    may_activate boolean := is_first OR segmentation.registry_may(caller, about.name, 'approve');
BEGIN
    verdict := CASE
        WHEN payload ->> 'compared_with' IS NOT NULL AND active_version IS DISTINCT FROM (payload ->> 'compared_with')::integer
            THEN format('candidate: version %s was activated meanwhile', active_version)
        WHEN NOT wanted THEN 'candidate: it was not to be activated'
        WHEN has_objections THEN 'candidate: it did not pass the gate'
        WHEN segmentation.registry_is_manual(about.name, payload -> 'definition') THEN 'candidate: it waits for approval'
        WHEN NOT may_activate THEN format('candidate: %I may train versions but not activate them', caller)
        WHEN about.hold IS NOT NULL THEN format('candidate: the model is on hold (%s)', about.hold)
    END;
    activate := verdict IS NULL;
    IF activate THEN
        verdict := CASE WHEN is_first THEN 'activated: the first version' WHEN active_version IS NULL THEN 'activated: no version was active'
                        WHEN payload ->> 'kind' IN ('train', 'retrain') THEN format('activated: it passed the gate and replaces version %s', active_version)
                        ELSE format('activated, as asked for: it replaces version %s', active_version) END;
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.registry_decide(name, segmentation.registry_model, integer, jsonb, boolean) IS 'Internal: whether a new version takes over.';

-- Adds a version. payload: what add_version is given by train_version and register; every decision that depends on rights or on what is
-- active is made here.
CREATE FUNCTION segmentation.add_version_as_owner(caller name, model_name text, model @extschema@.kmeans_model, payload jsonb) RETURNS jsonb LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model;
    active_version integer;
    number integer;
    next_id integer;
    ids integer[] := '{}';
    item jsonb;
    objections text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(payload -> 'reasons', '[]')));
    verdict text;
    activate boolean;
    run bigint := (payload ->> 'run')::bigint;
BEGIN
    PERFORM segmentation.champion_as_owner(caller, model_name);  -- checks the name
    IF NOT EXISTS (SELECT FROM segmentation.registry_model AS m WHERE m.name = model_name) THEN
        INSERT INTO segmentation.registry_model (name, owner) VALUES (model_name, caller);
        PERFORM segmentation.registry_note(caller, 'create', model_name, NULL, NULL);
    END IF;
    about := segmentation.registry_lock(caller, model_name, 'train');
    SELECT v.version INTO active_version FROM segmentation.registry_version AS v WHERE v.model = model_name AND v.active;
    number := about.last_version + 1;
    next_id := about.next_segment;
    -- Ids that go on, and fresh ones for the others.
    FOR item IN SELECT s FROM jsonb_array_elements(payload -> 'segments') AS s LOOP
        IF item ->> 'continues' IS NOT NULL THEN
            IF (item ->> 'continues')::integer >= about.next_segment THEN
                RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('model "%s" has no segment %s to continue', model_name, item ->> 'continues');
            END IF;
            ids := ids || (item ->> 'continues')::integer;
        ELSIF item ->> 'id' IS NOT NULL AND about.last_version = 0 THEN
            ids := ids || (item ->> 'id')::integer;  -- of a model that comes with its ids
            next_id := greatest(next_id, (item ->> 'id')::integer + 1);
        ELSE
            ids := ids || next_id;
            next_id := next_id + 1;
        END IF;
    END LOOP;
    model := segmentation.renumber_model(model, ids);

    SELECT d.activate, concat_ws('; ', d.verdict, payload ->> 'note') INTO activate, verdict
      FROM segmentation.registry_decide(caller, about, active_version, payload, cardinality(objections) > 0) AS d;
    UPDATE segmentation.registry_model AS m SET last_version = number, next_segment = next_id WHERE m.name = model_name;
    INSERT INTO segmentation.registry_version (model, version, state, value, definition, survey, choice, profile, source_text, extension_version, trained_by, trained, seconds,
        adjusted_rand_index, moved, compared_with, warm_start, forced, decision, reasons)
    VALUES (model_name, number, CASE WHEN activate THEN 'accepted' ELSE 'candidate' END, model, coalesce(payload -> 'definition', '{}'),
        nullif(payload -> 'survey', 'null'), segmentation.checked_choice(nullif(payload -> 'choice', 'null')),
        segmentation.checked_profile(nullif(payload -> 'profile', 'null'), ids), payload ->> 'source_text', (SELECT extversion FROM pg_extension WHERE extname = 'segmentation'), caller, clock_timestamp(),
        (payload ->> 'seconds')::float8, (payload ->> 'adjusted_rand_index')::float8, (payload ->> 'moved')::float8, (payload ->> 'compared_with')::integer,
        coalesce((payload ->> 'warm_start')::boolean, false), coalesce((payload ->> 'forced')::boolean, false), verdict, objections);
    INSERT INTO segmentation.registry_segment (model, version, segment, continues, jaccard)
    SELECT model_name, number, ids[s.line], s.item ->> 'continues' IS NOT NULL, (s.item ->> 'jaccard')::float8
      FROM jsonb_array_elements(payload -> 'segments') WITH ORDINALITY AS s(item, line);
    INSERT INTO segmentation.registry_migration (model, version, from_segment, to_segment, customers)
    SELECT model_name, number, (m ->> 'from')::integer, ids[(m ->> 'to')::integer], (m ->> 'customers')::bigint
      FROM jsonb_array_elements(coalesce(payload -> 'migration', '[]')) AS m;
    -- Labels that come with an imported model; those that are there stay.
    INSERT INTO segmentation.registry_label (model, segment, label, description, labeled_by)
    SELECT model_name, ids[s.line], l ->> 'label', l ->> 'description', caller
      FROM jsonb_array_elements(payload -> 'segments') WITH ORDINALITY AS s(item, line)
      JOIN jsonb_array_elements(coalesce(nullif(payload -> 'labels', 'null'), '[]')) AS l ON l ->> 'segment' = s.item ->> 'segment'
     WHERE l ->> 'label' IS NOT NULL AND segmentation.registry_may(caller, model_name, 'owner')
    ON CONFLICT DO NOTHING;
    PERFORM segmentation.registry_note(caller, payload ->> 'kind', model_name, number, verdict);
    IF activate THEN
        PERFORM segmentation.registry_activate(model_name, number);
        PERFORM segmentation.registry_note(caller, 'activate', model_name, number, verdict);
    END IF;
    IF run IS NULL THEN
        INSERT INTO segmentation.registry_run (model, kind, state, started, finished, started_by, version, message)
        VALUES (model_name, payload ->> 'kind', 'succeeded', coalesce((payload ->> 'started')::timestamptz, clock_timestamp()), clock_timestamp(), caller, number,
            array_to_string(verdict || objections, '; '));
    ELSE
        UPDATE segmentation.registry_run AS r SET state = 'succeeded', finished = clock_timestamp(), version = number,
               message = array_to_string(verdict || objections, '; ')
         WHERE r.id = run AND r.model = model_name AND r.state IN ('running', 'interrupted') AND r.started_by = caller;
    END IF;
    RETURN jsonb_build_object('version', number, 'decision', verdict, 'activated', activate, 'ids', ids);
END $$;
COMMENT ON FUNCTION segmentation.add_version_as_owner(name, text, @extschema@.kmeans_model, jsonb) IS 'Internal: add_version.';
CREATE FUNCTION segmentation.add_version(name text, model @extschema@.kmeans_model, payload jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.add_version(text, @extschema@.kmeans_model, jsonb) IS 'Internal: adds a version to a model.';
