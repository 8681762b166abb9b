-- create_views: views of a model that score when they are read, with the model as a literal in them, so that the planner reads no more columns
-- than it needs. They are replaced when another version becomes active or a segment gets another name.

-- The text of a view: what it reads, from the definition that it was created with, and the model that scores, with the names of its segments.
-- Everything in it is qualified and quoted.
CREATE FUNCTION segmentation.view_text(kind text, definition jsonb, model @extschema@.kmeans_model, labels jsonb) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_name text := format('%I.%I', definition ->> 'schema', definition ->> 'source');
    assigned text := format('segmentation.assign_row(%L::@extschema@.kmeans_model, s.*)', model::text);
    label text;
    keys text;
    keys_shown text;
    means text;
    numbers text;
BEGIN
    SELECT format('CASE a.segment %s ELSE NULL END', string_agg(format('WHEN %s THEN %L', c.segment, coalesce(labels ->> c.segment::text, 'segment ' || c.segment)), ' '))
      INTO label FROM @extschema@.kmeans_clusters(model) AS c;
    IF kind = 'assignments' THEN
        SELECT string_agg(format('s.%I,', k.name), ' ' ORDER BY k.line), string_agg(format('a.%I,', k.name), ' ' ORDER BY k.line) INTO keys, keys_shown
          FROM jsonb_array_elements_text(definition -> 'key') WITH ORDINALITY AS k(name, line);
        RETURN format('SELECT %s a.segment, %s::pg_catalog.text AS segment_label FROM (SELECT %s %s AS segment FROM %s AS s) AS a',
            keys_shown, label, keys, assigned, source_name);
    END IF;
    SELECT string_agg(format(', CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.>=) 10 THEN pg_catalog.avg(a.%I) END AS %I', 'f' || c.line,
                             'mean_' || CASE WHEN octet_length(c.item ->> 'name') > 58 THEN c.line::text ELSE c.item ->> 'name' END), '' ORDER BY c.line),
           string_agg(format(', %s AS %I', c.item ->> 'number', 'f' || c.line), '' ORDER BY c.line)
      INTO means, numbers
      FROM jsonb_array_elements(segmentation.source_columns(segmentation.source_of(definition), ARRAY(
               SELECT n.name FROM jsonb_array_elements_text(definition -> 'features' || (definition -> 'profile')) WITH ORDINALITY AS n(name, line)
                GROUP BY n.name ORDER BY min(n.line)), 'the definition')) WITH ORDINALITY AS c(item, line)
     WHERE c.item ->> 'number' IS NOT NULL;
    RETURN format('SELECT a.segment, %s::pg_catalog.text AS segment_label, pg_catalog.count(*)::pg_catalog.float8 AS customers, '
        'pg_catalog.count(*)::pg_catalog.float8 OPERATOR(pg_catalog./) pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.float8 AS share%s '
        'FROM (SELECT %s AS segment%s FROM %s AS s) AS a GROUP BY a.segment', label, means, assigned, numbers, source_name);
END $$;
COMMENT ON FUNCTION segmentation.view_text(text, jsonb, @extschema@.kmeans_model, jsonb) IS 'Internal: the query of a view of segmentation.create_views.';

-- What a view reads of a definition.
CREATE FUNCTION segmentation.view_definition(definition jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('schema', definition -> 'schema', 'source', definition -> 'source', 'key', definition -> 'key', 'features', definition -> 'features',
                             'profile', coalesce(definition -> 'profile', '[]'))
$$;
COMMENT ON FUNCTION segmentation.view_definition(jsonb) IS 'Internal: what a view of segmentation.create_views reads.';

-- As for a retraining: whoever reads the view runs the functions of its source.
CREATE FUNCTION segmentation.view_queries_as_owner(caller name, model_name text) RETURNS jsonb LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model := segmentation.registry_require(caller, model_name, 'owner');
    chosen segmentation.registry_version := segmentation.registry_version_of(model_name, NULL);
    reads jsonb := segmentation.view_definition(chosen.definition);
BEGIN
    PERFORM segmentation.registry_check_reader(caller, about, chosen);
    IF reads -> 'key' ?| ARRAY['segment', 'segment_label'] THEN
        RAISE EXCEPTION USING ERRCODE = '42701', MESSAGE = 'key columns of the model have the names that the views give to segments',
            DETAIL = format('The key is (%s).', (SELECT string_agg(k, ', ') FROM jsonb_array_elements_text(reads -> 'key') AS k)), HINT = 'Rename them in a view.';
    END IF;
    RETURN jsonb_build_object('reads', reads, 'assignments', segmentation.view_text('assignments', reads, chosen.value, segmentation.registry_labels(model_name)),
                              'profile', segmentation.view_text('profile', reads, chosen.value, segmentation.registry_labels(model_name)));
END $$;
COMMENT ON FUNCTION segmentation.view_queries_as_owner(name, text) IS 'Internal: view_queries.';
CREATE FUNCTION segmentation.view_queries(name text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.view_queries(text) IS 'Internal: the queries of the views of segmentation.create_views.';

CREATE FUNCTION segmentation.registry_labels(model_name text) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(jsonb_object_agg(l.segment, l.label), '{}') FROM segmentation.registry_label AS l WHERE l.model = model_name $$;
COMMENT ON FUNCTION segmentation.registry_labels(text) IS 'Internal: the names of a model''s segments.';

-- Who owns a view; NULL where there is none.
CREATE FUNCTION segmentation.view_owner(schema_name name, view_name name) RETURNS name LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = schema_name AND c.relname = view_name AND c.relkind = 'v'
$$;
COMMENT ON FUNCTION segmentation.view_owner(name, name) IS 'Internal: who owns a view.';

CREATE FUNCTION segmentation.note_view_as_owner(caller name, model_name text, schema_name name, view_name name, kind text, reads jsonb) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    IF segmentation.view_owner(schema_name, view_name) IS DISTINCT FROM caller THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('must be owner of view %I.%I', schema_name, view_name);
    END IF;
    INSERT INTO segmentation.registry_view AS v (model, view_schema, view_name, kind, view_owner, definition)
    VALUES (model_name, schema_name, view_name, kind, caller, segmentation.view_definition(reads))
    ON CONFLICT ON CONSTRAINT registry_view_pkey DO UPDATE SET model = excluded.model, kind = excluded.kind, view_owner = excluded.view_owner, definition = excluded.definition;
END $$;
COMMENT ON FUNCTION segmentation.note_view_as_owner(name, text, name, name, text, jsonb) IS 'Internal: note_view.';
CREATE FUNCTION segmentation.note_view(name text, schema_name name, view_name name, kind text, reads jsonb) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.note_view(text, name, name, text, jsonb) IS 'Internal: has a view replaced when another version becomes active.';

-- Runs a command with the rights of a role, and no others (src/pg/as_owner.cc).
CREATE FUNCTION segmentation.registry_execute_as(role name, command text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_execute_as' LANGUAGE C STRICT;
COMMENT ON FUNCTION segmentation.registry_execute_as(name, text) IS 'Internal: runs a command as a role.';

-- Replaces the views of a model, each as its owner, with what it reads left as it is. One that cannot be replaced keeps what it has, and so does
-- one that somebody goes on reading for too long, or whose owner has changed.
CREATE FUNCTION segmentation.registry_replace_views(model_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    noted segmentation.registry_view;
    chosen segmentation.registry_version;
    options text;
BEGIN
    FOR noted IN SELECT v.* FROM segmentation.registry_view AS v WHERE v.model = model_name ORDER BY v.view_schema, v.view_name LOOP
        BEGIN
            chosen := segmentation.registry_version_of(model_name, NULL);
            IF segmentation.view_owner(noted.view_schema, noted.view_name) IS DISTINCT FROM noted.view_owner THEN
                RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'it is gone, or somebody else''s';
            ELSIF segmentation.view_definition(chosen.definition) <> noted.definition THEN
                RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s was trained on another source', chosen.version);
            END IF;
            SELECT format(' WITH (%s)', array_to_string(c.reloptions, ', ')) INTO options FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname = noted.view_schema AND c.relname = noted.view_name AND c.reloptions IS NOT NULL;
            PERFORM segmentation.registry_execute_as(noted.view_owner, format('CREATE OR REPLACE VIEW %I.%I%s AS %s', noted.view_schema, noted.view_name, options,
                segmentation.view_text(noted.kind, noted.definition, chosen.value, segmentation.registry_labels(model_name))));
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('view %I.%I still shows an earlier version: %s', noted.view_schema, noted.view_name, SQLERRM),
                HINT = 'segmentation.create_views makes it anew.';
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION segmentation.registry_replace_views(text) IS 'Internal: replaces the views of a model.';

-- Drops the views of a model that goes, each as its owner. What others have built on, and what is no longer ours, stays.
CREATE FUNCTION segmentation.registry_drop_views(model_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    noted segmentation.registry_view;
BEGIN
    FOR noted IN SELECT v.* FROM segmentation.registry_view AS v WHERE v.model = model_name ORDER BY v.view_schema, v.view_name LOOP
        CONTINUE WHEN segmentation.view_owner(noted.view_schema, noted.view_name) IS DISTINCT FROM noted.view_owner;
        BEGIN
            PERFORM segmentation.registry_execute_as(noted.view_owner, format('DROP VIEW %I.%I', noted.view_schema, noted.view_name));
            RAISE NOTICE 'view %.% of model "%" is dropped with it', quote_ident(noted.view_schema), quote_ident(noted.view_name), model_name;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('view %I.%I of model "%s" stays: %s', noted.view_schema, noted.view_name, model_name, SQLERRM),
                HINT = 'It goes on scoring with the version it has.';
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION segmentation.registry_drop_views(text) IS 'Internal: drops the views of a model.';

CREATE FUNCTION segmentation.create_views(name text, schema name, readers name[] DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    queries jsonb := segmentation.view_queries(name);
    kind text;
    view_name text;
    column_name text;
    reader name;
BEGIN
    IF schema IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'schema must not be null';
    END IF;
    IF queries -> 'reads' -> 'key' = '[]' THEN
        RAISE NOTICE USING MESSAGE = format('view "%s" does not say which customer is in a segment', name || '_assignments'), DETAIL = format('Model "%s" has no key.', name),
            HINT = 'Give the source a primary key, or name columns in "key", and train the model anew.';
    END IF;
    FOREACH kind IN ARRAY ARRAY['assignments', 'profile'] LOOP
        view_name := name || '_' || kind;
        IF octet_length(view_name) > 63 THEN
            RAISE EXCEPTION USING ERRCODE = '42622', MESSAGE = format('name "%s" of a view is too long', view_name), DETAIL = 'Names have at most 63 bytes.';
        END IF;
        -- One of ours is replaced, so that grants stay; one with other columns is somebody's own.
        IF pg_get_viewdef(to_regclass(format('%I.%I', schema, view_name))) LIKE '%segmentation.assign_row(%' THEN
            BEGIN
                EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS %s', schema, view_name, queries ->> kind);
            EXCEPTION WHEN invalid_table_definition THEN
                RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('view %I.%I has other columns, and cannot be replaced', schema, view_name),
                    DETAIL = format('It is of an earlier definition of model "%s": %s.', name, SQLERRM), HINT = format('DROP VIEW %I.%I', schema, view_name);
            END;
        ELSE
            EXECUTE format('CREATE VIEW %I.%I AS %s', schema, view_name, queries ->> kind);
        END IF;
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, view_name, CASE kind
            WHEN 'assignments' THEN format('The segment of every row of the source of model "%s", as of now.', name)
            ELSE format('The segments of model "%s": customers, share and means of the features and of "profile", as of now; means over fewer than 10 customers are NULL.', name) END);
        FOR column_name IN SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = to_regclass(format('%I.%I', schema, view_name)) AND a.attnum > 0 AND NOT a.attisdropped LOOP
            EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', schema, view_name, column_name, CASE
                WHEN column_name = 'segment' THEN 'Id of the segment; NULL where a row has none.'
                WHEN column_name = 'segment_label' THEN 'Its name.'
                WHEN kind = 'assignments' THEN 'Key of the source.'
                WHEN column_name = 'customers' THEN 'Rows of the source in it.'
                WHEN column_name = 'share' THEN 'Their share of all rows, from 0 to 1.'
                ELSE 'Mean of a feature, or of another column that describes the segments; NULL where there are fewer than 10 customers.' END);
        END LOOP;
        FOREACH reader IN ARRAY coalesce(readers, '{}') LOOP
            EXECUTE format('GRANT SELECT ON %I.%I TO %I', schema, view_name, reader);
            IF kind = 'profile' AND NOT has_schema_privilege(reader, schema, 'USAGE') THEN
                RAISE NOTICE USING MESSAGE = format('%I may select from the views, but not look into schema %I', reader, schema), HINT = format('GRANT USAGE ON SCHEMA %I TO %I', schema, reader);
            END IF;
        END LOOP;
        PERFORM segmentation.note_view(name, schema, view_name, kind, queries -> 'reads');
        RETURN NEXT format('%I.%I', schema, view_name);
    END LOOP;
END $$;
COMMENT ON FUNCTION segmentation.create_views(text, name, name[]) IS 'Creates two views of a model in a schema, <name>_assignments (key, segment, its name) and <name>_profile (a row per segment with means), lets the readers select from them and returns their names. They score when they are read, and are replaced when another version becomes active.';
