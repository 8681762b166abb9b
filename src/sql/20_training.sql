-- Training. The state of every aggregate is a kmeans_sketch, so that partial states can be sent, stored and merged (parallel
-- plans, Citus). SSPACE is what the state of a small group takes (flat_state.h): queries with many groups sort or spill in time.

CREATE FUNCTION kmeans_accum(kmeans_sketch, double precision[], integer) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_accum(kmeans_sketch, double precision[], integer, jsonb) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_accum(kmeans_sketch, double precision[], integer, jsonb, double precision) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_combine(kmeans_sketch, kmeans_sketch) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_final(kmeans_sketch) RETURNS kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE kmeans(features double precision[], k integer) (
    SFUNC = kmeans_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans(double precision[], integer) IS 'Trains k-means on the rows: k segments of rows of features. NULL without rows.';
CREATE AGGREGATE kmeans(features double precision[], k integer, options jsonb) (
    SFUNC = kmeans_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans(double precision[], integer, jsonb) IS 'Trains k-means on the rows, with options such as {"scale": "zscore", "seed": 1}.';
CREATE AGGREGATE kmeans(features double precision[], k integer, options jsonb, weight double precision) (
    SFUNC = kmeans_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans(double precision[], integer, jsonb, double precision) IS 'Trains k-means on weighted rows: a weight of 2 counts as two equal rows, 0 leaves the row out.';

CREATE FUNCTION kmeans_range_accum(kmeans_sketch, double precision[], integer, integer) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_range_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_range_accum(kmeans_sketch, double precision[], integer, integer, jsonb) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_range_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_range_accum(kmeans_sketch, double precision[], integer, integer, jsonb, double precision) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_range_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_range_final(kmeans_sketch) RETURNS kmeans_model[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_range_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE kmeans_range(features double precision[], k_min integer, k_max integer) (
    SFUNC = kmeans_range_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_range_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_range(double precision[], integer, integer) IS 'Trains k-means on the rows for every k from k_min to k_max, from one read: an array of models, each that of kmeans. NULL without rows.';
CREATE AGGREGATE kmeans_range(features double precision[], k_min integer, k_max integer, options jsonb) (
    SFUNC = kmeans_range_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_range_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_range(double precision[], integer, integer, jsonb) IS 'Trains k-means on the rows for every k from k_min to k_max, from one read, with options such as {"scale": "zscore"}.';
CREATE AGGREGATE kmeans_range(features double precision[], k_min integer, k_max integer, options jsonb, weight double precision) (
    SFUNC = kmeans_range_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_range_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_range(double precision[], integer, integer, jsonb, double precision) IS 'Trains k-means on weighted rows for every k from k_min to k_max, from one read.';

CREATE FUNCTION kmeans_sketch_accum(kmeans_sketch, double precision[], integer) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_accum(kmeans_sketch, double precision[], integer, double precision) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_merge_accum(kmeans_sketch, kmeans_sketch) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_merge_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_final(kmeans_sketch) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE kmeans_sketch(features double precision[], capacity integer) (
    SFUNC = kmeans_sketch_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_sketch_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_sketch(double precision[], integer) IS 'Summarizes the rows for a later training: up to capacity rows exactly, more as weighted cells (at least 4096).';
CREATE AGGREGATE kmeans_sketch(features double precision[], capacity integer, weight double precision) (
    SFUNC = kmeans_sketch_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_sketch_final, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_sketch(double precision[], integer, double precision) IS 'Summarizes weighted rows for a later training.';
CREATE AGGREGATE kmeans_merge(sketch kmeans_sketch) (
    SFUNC = kmeans_merge_accum, STYPE = kmeans_sketch, SSPACE = 2048, FINALFUNC = kmeans_sketch_final, COMBINEFUNC = kmeans_merge_accum, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_merge(kmeans_sketch) IS 'Merges sketches into one of all their rows; the largest capacity counts, and more rows than that become weighted cells.';

CREATE FUNCTION kmeans_fit(sketch kmeans_sketch, k integer, options jsonb DEFAULT '{}') RETURNS kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_fit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION kmeans_fit(kmeans_sketch, integer, jsonb) IS 'Trains k-means on the rows of a sketch: the same model as kmeans over the rows themselves while the sketch is exact.';

CREATE FUNCTION kmeans_label(features double precision[], k integer) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_label' LANGUAGE C IMMUTABLE WINDOW PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_label(double precision[], integer) IS 'Clusters the rows of a window partition and returns the segment of each row; no model is kept. A NULL array has no label, nor has a row that option on_null skips.';
CREATE FUNCTION kmeans_label(features double precision[], k integer, options jsonb) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_label' LANGUAGE C IMMUTABLE WINDOW PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_label(double precision[], integer, jsonb) IS 'Clusters the rows of a window partition and returns the segment of each row; no model is kept. A NULL array has no label, nor has a row that option on_null skips.';
