-- Keeping tables current: score_table writes segments in batches, attach scores rows as they come, create_views makes views that score.

-- Whether two integers differ, as SQL whose meaning no search_path changes.
CREATE FUNCTION segmentation.differ(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('CASE WHEN %1$s IS NULL THEN %2$s IS NOT NULL WHEN %2$s IS NULL THEN true ELSE %1$s OPERATOR(pg_catalog.<>) %2$s END', a, b) $$;
COMMENT ON FUNCTION segmentation.differ(text, text) IS 'Internal: whether two integers differ, as SQL.';

-- Values of a key as SQL.
CREATE FUNCTION segmentation.key_literals(key_values text[], types text[]) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('%L::%s', k.value, t.name), ', ' ORDER BY k.line)
      FROM unnest(key_values) WITH ORDINALITY AS k(value, line) JOIN unnest(types) WITH ORDINALITY AS t(name, line) USING (line)
$$;
COMMENT ON FUNCTION segmentation.key_literals(text[], text[]) IS 'Internal: values of a key as SQL.';

-- What a batch needs to know.
CREATE TYPE segmentation.scoring AS (
    model text, version integer, target regclass, target_schema name, target_name name, target_column name, version_column name,
    key text[], key_types text[], source regclass, batch_rows integer,
    last_key text[], rows bigint, changed bigint, finished boolean, said timestamptz
);
COMMENT ON TYPE segmentation.scoring IS 'Internal: where segmentation.score_table is.';

-- Where an unfinished run of the caller's stopped, if it was of the same version, key and tables; otherwise the start of a new one.
CREATE FUNCTION segmentation.open_scoring_as_owner(caller name, model_name text, schema_name name, table_name name, column_name name, what jsonb) RETURNS segmentation.registry_scoring LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    state segmentation.registry_scoring;
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'use');
    DELETE FROM segmentation.registry_scoring AS s
     WHERE s.model = model_name AND s.target_schema = schema_name AND s.target = table_name AND s.target_column = column_name
       AND s.started_by = caller AND s.what <> open_scoring_as_owner.what;
    INSERT INTO segmentation.registry_scoring (model, target_schema, target, target_column, started_by, what)
    VALUES (model_name, schema_name, table_name, column_name, caller, open_scoring_as_owner.what) ON CONFLICT DO NOTHING;
    SELECT s.* INTO state FROM segmentation.registry_scoring AS s
     WHERE s.model = model_name AND s.target_schema = schema_name AND s.target = table_name AND s.target_column = column_name AND s.started_by = caller;
    RETURN state;
END $$;
COMMENT ON FUNCTION segmentation.open_scoring_as_owner(name, text, name, name, name, jsonb) IS 'Internal: open_scoring.';
CREATE FUNCTION segmentation.open_scoring(name text, schema_name name, table_name name, column_name name, what jsonb) RETURNS segmentation.registry_scoring
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.open_scoring(text, name, name, name, jsonb) IS 'Internal: where segmentation.score_table goes on.';

-- The number of the active version, for those who may use it.
CREATE FUNCTION segmentation.active_version_as_owner(caller name, model_name text) RETURNS integer LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'use');
    RETURN (segmentation.registry_version_of(model_name, NULL)).version;
END $$;
COMMENT ON FUNCTION segmentation.active_version_as_owner(name, text) IS 'Internal: active_version.';
CREATE FUNCTION segmentation.active_version(name text) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.active_version(text) IS 'The number of the version that scores.';

CREATE FUNCTION segmentation.note_scoring_as_owner(caller name, state segmentation.scoring) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF state.finished THEN
        DELETE FROM segmentation.registry_scoring AS s WHERE s.model = state.model AND s.target_schema = state.target_schema AND s.target = state.target_name
           AND s.target_column = state.target_column AND s.started_by = caller;
    ELSE
        UPDATE segmentation.registry_scoring AS s SET last_key = state.last_key, rows = state.rows, changed = state.changed
         WHERE s.model = state.model AND s.target_schema = state.target_schema AND s.target = state.target_name AND s.target_column = state.target_column
           AND s.started_by = caller;
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.note_scoring_as_owner(name, segmentation.scoring) IS 'Internal: note_scoring.';
CREATE FUNCTION segmentation.note_scoring(state segmentation.scoring) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.note_scoring(segmentation.scoring) IS 'Internal: writes down where segmentation.score_table is.';

-- A column that takes segments.
CREATE FUNCTION segmentation.require_integer_column(target regclass, column_name text) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    type oid;
BEGIN
    IF target IS NULL OR column_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'target and its column must not be null';
    END IF;
    SELECT a.atttypid INTO type FROM pg_attribute AS a WHERE a.attrelid = target AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped;
    IF type IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('column "%s" of relation %s does not exist', column_name, target),
            HINT = format('ALTER TABLE %s ADD COLUMN %I integer', target, column_name);
    ELSIF type NOT IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" of relation %s is of type %s, and segments are integers', column_name, target, type::regtype);
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.require_integer_column(regclass, text) IS 'Internal: checks a column that takes segments.';

CREATE FUNCTION segmentation.begin_scoring(model_name text, target regclass, target_column text, version_column text, key text[], batch_rows integer)
    RETURNS segmentation.scoring LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    state segmentation.scoring;
    before segmentation.registry_scoring;
    inputs text[];
    nulls boolean;
BEGIN
    state.version := segmentation.active_version(model_name);
    PERFORM segmentation.require_integer_column(target, target_column);
    IF version_column IS NOT NULL THEN
        PERFORM segmentation.require_integer_column(target, version_column);
    END IF;
    IF batch_rows IS NULL OR batch_rows < 1 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'batch_rows must be positive', DETAIL = format('It is %s.', coalesce(batch_rows::text, 'NULL'));
    END IF;
    SELECT n.nspname, c.relname INTO state.target_schema, state.target_name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target;
    inputs := (@extschema@.kmeans_info(segmentation.model(model_name, state.version))).features;
    state.model := model_name;
    state.target := target;
    state.target_column := target_column;
    state.version_column := version_column;
    state.batch_rows := batch_rows;
    state.finished := false;
    state.said := clock_timestamp();
    state.key := coalesce(key, segmentation.key_of(target));
    IF coalesce(cardinality(state.key), 0) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('relation %s has no primary key', target), HINT = 'Name the columns that tell its rows apart in "key".';
    END IF;
    -- A table that has all inputs is scored as it is; another one gets the assignments of the model's source, for those who may read that.
    state.source := target;
    IF EXISTS (SELECT FROM unnest(inputs) AS i WHERE NOT EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = target AND a.attname = i AND a.attnum > 0 AND NOT a.attisdropped)) THEN
        state.source := segmentation.source_of((segmentation.version_of(model_name, state.version)).definition);
    END IF;
    PERFORM segmentation.source_columns(state.source, state.key || inputs, 'the inputs of the model');
    PERFORM segmentation.source_columns(target, state.key, 'key');
    state.key_types := ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM unnest(state.key) WITH ORDINALITY AS k(name, line)
                               JOIN pg_attribute AS a ON a.attrelid = state.source AND a.attname = k.name AND a.attnum > 0 ORDER BY k.line);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS s WHERE %s)', segmentation.qualified(state.source),
        (SELECT string_agg(format('s.%I IS NULL', k), ' OR ') FROM unnest(state.key) AS k)) INTO nulls;
    IF nulls THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = format('key of %s has null values', state.source), DETAIL = format('It is (%s).', array_to_string(state.key, ', ')),
            HINT = 'Name columns in "key" that tell all rows apart.';
    END IF;
    before := segmentation.open_scoring(model_name, state.target_schema, state.target_name, target_column, jsonb_build_object('version', state.version,
        'key', state.key, 'types', state.key_types, 'version_column', version_column, 'target', target::oid::bigint, 'source', state.source::oid::bigint));
    state.last_key := before.last_key;
    state.rows := before.rows;
    state.changed := before.changed;
    IF state.last_key IS NOT NULL THEN
        RAISE NOTICE 'scoring of % with model "%" version % goes on after % rows', target, model_name, state.version, state.rows;
    END IF;
    RETURN state;
END $$;
COMMENT ON FUNCTION segmentation.begin_scoring(text, regclass, text, text, text[], integer) IS 'Internal: the beginning of segmentation.score_table.';

-- One batch: from the last key on.
CREATE FUNCTION segmentation.score_batch(caller_path text, state segmentation.scoring) RETURNS segmentation.scoring LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 3 SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres'
AS $$
DECLARE
    keys text := (SELECT string_agg(format('s.%I', k), ', ') FROM unnest(state.key) AS k);
    after text;
    until text;
    bound text[];
    rows bigint;
    changed bigint;
    source_name text := segmentation.qualified(state.source);
    target_name text := format('%I.%I', state.target_schema, state.target_name);
    segment text := 'segmentation.assign_row($1, s.*)';
    find text;
    find_last text;
    write text;
    model @extschema@.kmeans_model := segmentation.model(state.model, state.version);
    version integer := state.version;
BEGIN
    after := CASE WHEN state.last_key IS NULL THEN 'true'
                  ELSE format('ROW(%s) OPERATOR(pg_catalog.>) ROW(%s)', keys, segmentation.key_literals(state.last_key, state.key_types)) END;
    -- The last key of a full batch; where there is none, that of the rows that are left.
    find := format('SELECT ARRAY[%s] FROM %s AS s WHERE %s ORDER BY %s OFFSET %s LIMIT 1',
        (SELECT string_agg(format('s.%I::pg_catalog.text', k), ', ') FROM unnest(state.key) AS k), source_name, after, keys, state.batch_rows - 1);
    find_last := format('SELECT ARRAY[%1$s], segmentation_line FROM (SELECT %2$s, pg_catalog.row_number() OVER (ORDER BY %2$s) AS segmentation_line FROM %3$s AS s WHERE %4$s) AS s ORDER BY segmentation_line DESC LIMIT 1',
        (SELECT string_agg(format('s.%I::pg_catalog.text', k), ', ') FROM unnest(state.key) AS k), keys, source_name, after);
    rows := state.batch_rows;
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE find INTO bound;
    IF bound IS NULL THEN
        EXECUTE find_last INTO bound, rows;
    END IF;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF bound IS NULL THEN
        state.finished := true;
        PERFORM segmentation.note_scoring(state);
        RAISE NOTICE 'scored % with model "%" version %: % rows, % changed', state.target, state.model, state.version, state.rows, state.changed;
        RETURN state;
    END IF;
    IF bound = state.last_key THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('scoring of %s does not get beyond key (%s)', state.target, array_to_string(bound, ', '));
    END IF;
    until := format('%s AND ROW(%s) OPERATOR(pg_catalog.<=) ROW(%s)', after, keys, segmentation.key_literals(bound, state.key_types));
    IF state.source = state.target THEN
        write := format('UPDATE %s AS s SET %I = %s%s WHERE %s AND (%s%s)', target_name, state.target_column, segment,
            CASE WHEN state.version_column IS NOT NULL THEN format(', %I = $2', state.version_column) END, until,
            segmentation.differ(format('s.%I', state.target_column), segment),
            CASE WHEN state.version_column IS NOT NULL THEN ' OR ' || segmentation.differ(format('s.%I', state.version_column), '$2') END);
    ELSE
        write := format('INSERT INTO %1$s AS t (%2$s, %3$I%4$s) SELECT %5$s, %6$s%7$s FROM %8$s AS s WHERE %9$s ON CONFLICT (%2$s) DO UPDATE SET %3$I = excluded.%3$I%10$s WHERE %11$s%12$s',
            target_name, (SELECT string_agg(format('%I', k), ', ') FROM unnest(state.key) AS k), state.target_column,
            CASE WHEN state.version_column IS NOT NULL THEN format(', %I', state.version_column) END, keys, segment,
            CASE WHEN state.version_column IS NOT NULL THEN ', $2' END, source_name, until,
            CASE WHEN state.version_column IS NOT NULL THEN format(', %1$I = excluded.%1$I', state.version_column) END,
            segmentation.differ(format('t.%I', state.target_column), format('excluded.%I', state.target_column)),
            CASE WHEN state.version_column IS NOT NULL THEN ' OR ' || segmentation.differ(format('t.%I', state.version_column), format('excluded.%I', state.version_column)) END);
    END IF;
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE write USING model, version;
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    state.last_key := bound;
    state.rows := state.rows + rows;
    state.changed := state.changed + changed;
    IF clock_timestamp() > state.said + interval '5 seconds' THEN
        RAISE NOTICE 'scoring of %: % rows, % changed', state.target, state.rows, state.changed;
        state.said := clock_timestamp();
    END IF;
    PERFORM segmentation.note_scoring(state);
    RETURN state;
END $$;
COMMENT ON FUNCTION segmentation.score_batch(text, segmentation.scoring) IS 'Internal: one batch of segmentation.score_table.';

CREATE PROCEDURE segmentation.score_table(name text, target regclass, target_column text, version_column text DEFAULT NULL, key text[] DEFAULT NULL,
    batch_rows integer DEFAULT 10000) LANGUAGE plpgsql
AS $$
DECLARE
    state segmentation.scoring;
BEGIN
    PERFORM segmentation.check_commits('CALL segmentation.score_table', 'It commits batch by batch; within a transaction, UPDATE the table with kmeans_assign.');
    state := segmentation.begin_scoring(name, target, target_column, version_column, key, batch_rows);
    COMMIT;
    LOOP
        state := segmentation.score_batch(pg_catalog.current_setting('search_path'), state);
        COMMIT;
        EXIT WHEN state.finished;
    END LOOP;
END $$;
COMMENT ON PROCEDURE segmentation.score_table(text, regclass, text, text, text[], integer) IS 'Writes segments into a column, in committed batches in the order of the key: of the table''s own rows where it has the model''s inputs, otherwise those of the model''s source, one row per key. One version for the whole run; only rows that change are written; called again after an interruption, it goes on where it stopped.';
