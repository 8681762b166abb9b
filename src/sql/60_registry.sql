-- The registry: what is known of models, in tables that nobody has rights on. Users reach it through functions (65_rights.sql) and views
-- (97_views.sql). Names, not OIDs, so that a dump restores; no rows of our own in any of them.

CREATE TABLE segmentation.registry_model (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    owner name NOT NULL,
    created timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    last_version integer NOT NULL DEFAULT 0,
    next_segment integer NOT NULL DEFAULT 0,  -- ids below were used, and are never used for another segment
    hold text,                                -- why retrainings do not activate; NULL where they may
    took_over integer[] NOT NULL DEFAULT '{}' -- versions, one after the other; the active one is last, and rollback takes it off
);
COMMENT ON TABLE segmentation.registry_model IS 'Models by name.';

CREATE TABLE segmentation.registry_version (
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON DELETE CASCADE,
    version integer NOT NULL,
    active boolean NOT NULL DEFAULT false,
    state text NOT NULL CHECK (state IN ('candidate', 'accepted', 'rejected')),
    value @extschema@.kmeans_model NOT NULL,
    definition jsonb NOT NULL,                -- what segmentation.train was asked for, resolved; {} for models from elsewhere
    survey jsonb,                             -- of the data it was trained on (core/survey.h)
    choice jsonb,                             -- how the number of segments was chosen (core/k_trials.h); NULL where it was given
    profile jsonb,                            -- of its segments (core/profile.h), and their ids; NULL where it was not trained here
    source_text text,                         -- of the view, where the source is one
    extension_version text NOT NULL,
    trained_by name NOT NULL,
    trained_session name NOT NULL DEFAULT session_user,  -- who had connected; SET ROLE makes nobody else
    trained timestamptz NOT NULL,
    activated timestamptz,                    -- last
    seconds double precision,
    adjusted_rand_index double precision,     -- with the version that was active, on the rows of the training
    moved double precision,                   -- share of those rows that are in another segment than under that version
    compared_with integer,                    -- that version
    warm_start boolean NOT NULL DEFAULT false, -- its centroids were a start of the training
    forced boolean NOT NULL DEFAULT false,    -- what they led to was taken though there was better, which would have moved too many rows
    decision text NOT NULL,
    reasons text[] NOT NULL DEFAULT '{}',
    decided_by name,
    PRIMARY KEY (model, version)
);
CREATE UNIQUE INDEX registry_active_version ON segmentation.registry_version (model) WHERE active;
COMMENT ON TABLE segmentation.registry_version IS 'Versions of models; at most one is active.';

CREATE TABLE segmentation.registry_segment (
    model text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    segment integer NOT NULL,
    continues boolean NOT NULL,               -- a segment of the version it was compared with; it has that one's id
    jaccard double precision,                 -- customers in both as a share of those in either
    PRIMARY KEY (model, version, segment),
    FOREIGN KEY (model, version) REFERENCES segmentation.registry_version ON DELETE CASCADE
);
COMMENT ON TABLE segmentation.registry_segment IS 'The lineage of segments.';

CREATE TABLE segmentation.registry_migration (
    model text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    from_segment integer NOT NULL,
    to_segment integer NOT NULL,
    customers bigint NOT NULL,
    PRIMARY KEY (model, version, from_segment, to_segment),
    FOREIGN KEY (model, version) REFERENCES segmentation.registry_version ON DELETE CASCADE
);
COMMENT ON TABLE segmentation.registry_migration IS 'How many rows were in a segment of the version compared with and are in one of this version.';

CREATE TABLE segmentation.registry_label (
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON DELETE CASCADE,
    segment integer NOT NULL,
    label text NOT NULL,
    description text,
    labeled_by name NOT NULL,
    labeled timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (model, segment)
);
COMMENT ON TABLE segmentation.registry_label IS 'Names that people have given to segments, for all versions.';

CREATE SEQUENCE segmentation.registry_run_id;
CREATE TABLE segmentation.registry_run (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('segmentation.registry_run_id'),
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('train', 'retrain', 'register', 'import')),
    state text NOT NULL CHECK (state IN ('running', 'succeeded', 'refused', 'failed', 'interrupted')),
    started timestamptz NOT NULL,
    finished timestamptz,
    started_by name NOT NULL,
    version integer,                          -- that came of it
    message text,                             -- the decision, or the error
    sqlstate text
);
CREATE INDEX registry_run_model ON segmentation.registry_run (model, id);
COMMENT ON TABLE segmentation.registry_run IS 'Trainings and how they ended.';

CREATE TABLE segmentation.registry_grant (
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON DELETE CASCADE,
    grantee name NOT NULL,                    -- 'public' for everybody: no role can have that name
    privilege text NOT NULL CHECK (privilege IN ('use', 'train', 'approve')),
    granted_by name NOT NULL,
    granted timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (model, grantee, privilege)
);
COMMENT ON TABLE segmentation.registry_grant IS 'Privileges on models.';

CREATE TABLE segmentation.registry_scoring (
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON DELETE CASCADE,
    target_schema name NOT NULL,
    target name NOT NULL,
    target_column name NOT NULL,
    started_by name NOT NULL,
    what jsonb NOT NULL,                      -- version, key and tables of the run: one that differs begins anew
    last_key text[],                          -- of the last batch, as the types write it; NULL before the first
    rows bigint NOT NULL DEFAULT 0,           -- looked at
    changed bigint NOT NULL DEFAULT 0,        -- written
    started timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (model, target_schema, target, target_column, started_by)
);
COMMENT ON TABLE segmentation.registry_scoring IS 'Where segmentation.score_table is; a row goes when the table is done.';

CREATE TABLE segmentation.registry_view (
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON DELETE CASCADE,
    view_schema name NOT NULL,
    view_name name NOT NULL,
    kind text NOT NULL CHECK (kind IN ('assignments', 'profile')),
    view_owner name NOT NULL,
    definition jsonb NOT NULL,                -- what it reads: another version of the model changes nothing about that
    PRIMARY KEY (view_schema, view_name)
);
COMMENT ON TABLE segmentation.registry_view IS 'Views that segmentation.create_views has made, to be replaced when another version becomes active.';

CREATE TABLE segmentation.registry_schedule (
    model text COLLATE "C" PRIMARY KEY REFERENCES segmentation.registry_model ON DELETE CASCADE,
    cron_expression text NOT NULL,
    command text NOT NULL,
    job_name text NOT NULL,
    job_database text NOT NULL,               -- where the command runs
    scheduled_by name NOT NULL,
    scheduled timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE segmentation.registry_schedule IS 'When models are retrained; the jobs themselves are pg_cron''s.';

-- Outlives the model, so there is no reference to it.
CREATE SEQUENCE segmentation.registry_audit_id;
CREATE TABLE segmentation.registry_audit (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('segmentation.registry_audit_id'),
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    done_by name NOT NULL,
    action text NOT NULL,
    model text COLLATE "C" NOT NULL,
    version integer,
    owner name NOT NULL,                      -- of the model then
    model_created timestamptz NOT NULL,       -- tells it from later ones of that name
    detail text
);
CREATE INDEX registry_audit_model ON segmentation.registry_audit (model, id);
COMMENT ON TABLE segmentation.registry_audit IS 'Who did what to a model; only ever added to.';

CREATE FUNCTION segmentation.registry_keep_audit() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'the audit trail of models is only ever added to';
END $$;
COMMENT ON FUNCTION segmentation.registry_keep_audit() IS 'Internal: refuses changes of the audit trail.';
CREATE TRIGGER registry_keep_audit BEFORE UPDATE OR DELETE OR TRUNCATE ON segmentation.registry_audit
    FOR EACH STATEMENT EXECUTE FUNCTION segmentation.registry_keep_audit();

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['registry_model', 'registry_version', 'registry_segment', 'registry_migration', 'registry_label',
                                    'registry_run', 'registry_run_id', 'registry_grant', 'registry_scoring', 'registry_view', 'registry_schedule',
                                    'registry_audit', 'registry_audit_id'] LOOP
        EXECUTE format('REVOKE ALL ON segmentation.%I FROM PUBLIC', relation);
        PERFORM pg_extension_config_dump(format('segmentation.%I', relation)::regclass, '');
    END LOOP;
END $$;
