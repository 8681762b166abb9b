-- attach and detach: a trigger that scores rows as they come. Whatever is wrong with the model, the row gets in.

CREATE FUNCTION segmentation.score_row() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    segment integer;
    setting text := 'segmentation_attach.m' || md5(TG_ARGV[0]);  -- when the model was last warned of
BEGIN
    BEGIN
        segment := segmentation.assign_row(TG_ARGV[0], NEW);
    EXCEPTION WHEN OTHERS THEN
        -- Once for a statement, however many rows it has.
        IF current_setting(setting, true) IS DISTINCT FROM statement_timestamp()::text THEN
            PERFORM set_config(setting, statement_timestamp()::text, true);
            RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('column "%s" of %I.%I is left NULL: %s', TG_ARGV[1], TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM),
                HINT = format('segmentation.detach(%L, %L) takes the trigger away.', TG_ARGV[0], format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));
        END IF;
    END;
    RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[1], segment));
END $$;
COMMENT ON FUNCTION segmentation.score_row() IS 'Trigger of segmentation.attach: sets a column to the segment of the row.';

CREATE FUNCTION segmentation.attach_name(target_column text) RETURNS name LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT ('zz_segmentation_' || CASE WHEN octet_length(target_column) > 47 THEN md5(target_column) ELSE target_column END)::name $$;
COMMENT ON FUNCTION segmentation.attach_name(text) IS 'Internal: the name of the trigger; triggers fire in the order of their names, and this one comes late.';

CREATE FUNCTION segmentation.attach(name text, target regclass, target_column text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    inputs text[] := (@extschema@.kmeans_info(segmentation.model(name))).features;
    generated text;
BEGIN
    PERFORM segmentation.require_integer_column(target, target_column);
    PERFORM segmentation.source_columns(target, inputs, 'the inputs of the model');
    SELECT a.attname INTO generated FROM pg_attribute AS a WHERE a.attrelid = target AND a.attname = ANY (inputs) AND a.attnum > 0 AND a.attgenerated <> '' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('input "%s" of the model is a generated column of %s', generated, target),
            DETAIL = 'It is not there yet when a trigger scores the row.', HINT = 'Use segmentation.score_table, or a generated column with the model as a literal.';
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION segmentation.score_row(%L, %L)',
        segmentation.attach_name(target_column), target, name, target_column);
END $$;
COMMENT ON FUNCTION segmentation.attach(text, regclass, text) IS 'Keeps a column current: a trigger sets it to the segment of the row under the model''s active version. Where that cannot be had, the column is NULL and there is a warning, never an error.';

CREATE FUNCTION segmentation.detach(name text, target regclass) RETURNS integer LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
DECLARE
    trigger_name text;
    dropped integer := 0;
BEGIN
    FOR trigger_name IN SELECT t.tgname FROM pg_trigger AS t
                         WHERE t.tgrelid = target AND t.tgfoid = 'segmentation.score_row()'::regprocedure
                           AND split_part(encode(t.tgargs, 'escape'), '\000', 1) = split_part(encode(convert_to(name, pg_catalog.getdatabaseencoding()) || '\x00'::bytea, 'escape'), '\000', 1) LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, target);
        dropped := dropped + 1;
    END LOOP;
    IF dropped = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('model "%s" is not attached to %s', name, target);
    END IF;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION segmentation.detach(text, regclass) IS 'Takes the triggers of segmentation.attach away and returns how many there were. The column keeps what is in it.';
