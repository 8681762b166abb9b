-- One step of Lloyd's algorithm as an aggregate: training on any number of rows in constant memory, a pass at a time.

CREATE FUNCTION kmeans_step_accum(double precision[], kmeans_model, double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_step_accum_array' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_step_accum(double precision[], kmeans_model, double precision[], double precision) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_step_accum_array' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_step_accum(double precision[], kmeans_model, jsonb) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_step_accum_jsonb' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_step_accum(double precision[], kmeans_model, jsonb, double precision) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_step_accum_jsonb' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_step_combine(double precision[], double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_step_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_step_final(double precision[]) RETURNS kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_step_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE kmeans_step(model kmeans_model, features double precision[]) (
    SFUNC = kmeans_step_accum, STYPE = double precision[], FINALFUNC = kmeans_step_final,
    COMBINEFUNC = kmeans_step_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_step(kmeans_model, double precision[]) IS 'One step of k-means over the rows: the model with every centroid moved to the mean of the rows nearest to it. NULL when no row has a score.';
CREATE AGGREGATE kmeans_step(model kmeans_model, features double precision[], weight double precision) (
    SFUNC = kmeans_step_accum, STYPE = double precision[], FINALFUNC = kmeans_step_final,
    COMBINEFUNC = kmeans_step_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_step(kmeans_model, double precision[], double precision) IS 'One step of k-means over weighted rows: the model with every centroid moved to the mean of the rows nearest to it. NULL when no row has a score.';
CREATE AGGREGATE kmeans_step(model kmeans_model, features jsonb) (
    SFUNC = kmeans_step_accum, STYPE = double precision[], FINALFUNC = kmeans_step_final,
    COMBINEFUNC = kmeans_step_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_step(kmeans_model, jsonb) IS 'One step of k-means over the rows: the model with every centroid moved to the mean of the rows nearest to it. NULL when no row has a score.';
CREATE AGGREGATE kmeans_step(model kmeans_model, features jsonb, weight double precision) (
    SFUNC = kmeans_step_accum, STYPE = double precision[], FINALFUNC = kmeans_step_final,
    COMBINEFUNC = kmeans_step_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_step(kmeans_model, jsonb, double precision) IS 'One step of k-means over weighted rows: the model with every centroid moved to the mean of the rows nearest to it. NULL when no row has a score.';
