-- create_views: views of a model that score when they are read, with the model as a literal in them, so that the planner reads no more columns
-- than it needs. They are replaced when another version becomes active or a segment gets another name.

-- The text of a view, from what a version says. Everything in it is qualified and quoted.
CREATE FUNCTION segmentation.view_text(kind text, chosen segmentation.registry_version, labels jsonb) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    features text[] := ARRAY(SELECT jsonb_array_elements_text(chosen.definition -> 'features'));
    source regclass := segmentation.source_of(chosen.definition);
    source_name text := format('%I.%I', chosen.definition ->> 'schema', chosen.definition ->> 'source');
    assigned text := format('@extschema@.kmeans_assign(%L::@extschema@.kmeans_model, s)', chosen.value::text);
    label text;
BEGIN
    SELECT format('CASE a.segment %s ELSE NULL END', string_agg(format('WHEN %s THEN %L', c.segment, coalesce(labels ->> c.segment::text, 'segment ' || c.segment)), ' '))
      INTO label FROM @extschema@.kmeans_clusters(chosen.value) AS c;
    IF kind = 'assignments' THEN
        RETURN format('SELECT %s a.segment, %s::pg_catalog.text AS segment_label FROM (SELECT %s %s AS segment FROM %s AS s) AS a',
            (SELECT string_agg(format('a.%I,', k), ' ' ORDER BY line) FROM jsonb_array_elements_text(chosen.definition -> 'key') WITH ORDINALITY AS k(k, line)), label,
            (SELECT string_agg(format('s.%I,', k), ' ' ORDER BY line) FROM jsonb_array_elements_text(chosen.definition -> 'key') WITH ORDINALITY AS k(k, line)), assigned, source_name);
    END IF;
    RETURN format('SELECT a.segment, %s::pg_catalog.text AS segment_label, pg_catalog.count(*)::pg_catalog.float8 AS customers, '
        'pg_catalog.count(*)::pg_catalog.float8 OPERATOR(pg_catalog./) pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.float8 AS share%s '
        'FROM (SELECT %s AS segment%s FROM %s AS s) AS a GROUP BY a.segment', label,
        (SELECT string_agg(format(', CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.>=) 10 THEN pg_catalog.avg(a.%I) END AS %I', 'f' || c.line,
                CASE WHEN octet_length(c.item ->> 'name') > 58 THEN 'mean_' || c.line ELSE 'mean_' || (c.item ->> 'name') END), '' ORDER BY c.line)
           FROM jsonb_array_elements(segmentation.source_columns(source, features, 'features')) WITH ORDINALITY AS c(item, line) WHERE c.item ->> 'number' IS NOT NULL), assigned,
        (SELECT string_agg(format(', %s AS %I', c.item ->> 'number', 'f' || c.line), '' ORDER BY c.line)
           FROM jsonb_array_elements(segmentation.source_columns(source, features, 'features')) WITH ORDINALITY AS c(item, line) WHERE c.item ->> 'number' IS NOT NULL), source_name);
END $$;
COMMENT ON FUNCTION segmentation.view_text(text, segmentation.registry_version, jsonb) IS 'Internal: the query of a view of segmentation.create_views.';

CREATE FUNCTION segmentation.view_queries_as_owner(caller name, model_name text) RETURNS jsonb LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version;
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    chosen := segmentation.registry_version_of(model_name, NULL);
    IF chosen.definition = '{}' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" has no definition', chosen.version, model_name),
            DETAIL = 'It was registered or imported, and what it was trained on is not known.';
    END IF;
    RETURN jsonb_build_object('noted', (SELECT coalesce(jsonb_agg(format('%I.%I', v.view_schema, v.view_name)), '[]') FROM segmentation.registry_view AS v
                                         WHERE v.model = model_name AND v.view_owner = caller),
                              'assignments', segmentation.view_text('assignments', chosen, segmentation.registry_labels(model_name)),
                              'profile', segmentation.view_text('profile', chosen, segmentation.registry_labels(model_name)));
END $$;
COMMENT ON FUNCTION segmentation.view_queries_as_owner(name, text) IS 'Internal: view_queries.';
CREATE FUNCTION segmentation.view_queries(name text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.view_queries(text) IS 'Internal: the queries of the views of segmentation.create_views.';

CREATE FUNCTION segmentation.registry_labels(model_name text) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(jsonb_object_agg(l.segment, l.label), '{}') FROM segmentation.registry_label AS l WHERE l.model = model_name $$;
COMMENT ON FUNCTION segmentation.registry_labels(text) IS 'Internal: the names of a model''s segments.';

CREATE FUNCTION segmentation.note_view_as_owner(caller name, model_name text, schema_name name, view_name name, kind text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    INSERT INTO segmentation.registry_view AS v (model, view_schema, view_name, kind, view_owner) VALUES (model_name, schema_name, view_name, kind, caller)
    ON CONFLICT ON CONSTRAINT registry_view_pkey DO UPDATE SET model = excluded.model, kind = excluded.kind, view_owner = excluded.view_owner;
END $$;
COMMENT ON FUNCTION segmentation.note_view_as_owner(name, text, name, name, text) IS 'Internal: note_view.';
CREATE FUNCTION segmentation.note_view(name text, schema_name name, view_name name, kind text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.note_view(text, name, name, text) IS 'Internal: has a view replaced when another version becomes active.';

-- Replaces the views of a model. A view that somebody else owns now is not ours any more; one that cannot be replaced keeps what it has,
-- and so does one that somebody goes on reading for too long.
CREATE FUNCTION segmentation.registry_replace_views(model_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    noted segmentation.registry_view;
    chosen segmentation.registry_version;
BEGIN
    FOR noted IN SELECT v.* FROM segmentation.registry_view AS v WHERE v.model = model_name ORDER BY v.view_schema, v.view_name LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                                   WHERE n.nspname = noted.view_schema AND c.relname = noted.view_name AND c.relkind = 'v'
                                     AND pg_get_userbyid(c.relowner) = noted.view_owner);
        BEGIN
            chosen := segmentation.registry_version_of(model_name, NULL);
            EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS %s', noted.view_schema, noted.view_name,
                segmentation.view_text(noted.kind, chosen, segmentation.registry_labels(model_name)));
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('view %I.%I still shows an earlier version: %s', noted.view_schema, noted.view_name, SQLERRM),
                HINT = 'segmentation.create_views makes it anew.';
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION segmentation.registry_replace_views(text) IS 'Internal: replaces the views of a model.';

CREATE FUNCTION segmentation.create_views(name text, schema name, readers name[] DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    queries jsonb := segmentation.view_queries(name);
    kind text;
    view_name text;
    reader name;
BEGIN
    IF schema IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'schema must not be null';
    END IF;
    FOREACH kind IN ARRAY ARRAY['assignments', 'profile'] LOOP
        view_name := name || '_' || kind;
        IF octet_length(view_name) > 63 THEN
            RAISE EXCEPTION USING ERRCODE = '42622', MESSAGE = format('name "%s" of a view is too long', view_name), DETAIL = 'Names have at most 63 bytes.';
        END IF;
        IF queries -> 'noted' ? format('%I.%I', schema, view_name) THEN
            EXECUTE format('DROP VIEW IF EXISTS %I.%I', schema, view_name);
        END IF;
        EXECUTE format('CREATE VIEW %I.%I AS %s', schema, view_name, queries ->> kind);
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, view_name, CASE kind
            WHEN 'assignments' THEN format('The segment of every row of the source of model "%s", as of now.', name)
            ELSE format('The segments of model "%s": customers, share and means of the features, as of now; means over fewer than 10 customers are NULL.', name) END);
        EXECUTE format('COMMENT ON COLUMN %I.%I.segment IS %L', schema, view_name, 'Id of the segment; NULL where a row has none.');
        EXECUTE format('COMMENT ON COLUMN %I.%I.segment_label IS %L', schema, view_name, 'Its name.');
        FOREACH reader IN ARRAY readers LOOP
            EXECUTE format('GRANT SELECT ON %I.%I TO %I', schema, view_name, reader);
        END LOOP;
        PERFORM segmentation.note_view(name, schema, view_name, kind);
        RETURN NEXT format('%I.%I', schema, view_name);
    END LOOP;
END $$;
COMMENT ON FUNCTION segmentation.create_views(text, name, name[]) IS 'Creates two views of a model in a schema, <name>_assignments (key, segment, its name) and <name>_profile (a row per segment with means), lets the readers select from them and returns their names. They score when they are read, and are replaced when another version becomes active.';
