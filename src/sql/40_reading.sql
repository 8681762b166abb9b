-- Reading a model, and judging one on any rows.

CREATE FUNCTION kmeans_info(model kmeans_model,
    OUT segments integer, OUT k integer, OUT features text[], OUT distance text, OUT scale text,
    OUT rows bigint, OUT skipped bigint, OUT left_out bigint, OUT weight double precision,
    OUT inertia double precision, OUT total_inertia double precision, OUT explained double precision,
    OUT mean_distance double precision, OUT silhouette double precision, OUT calinski_harabasz double precision,
    OUT davies_bouldin double precision, OUT iterations bigint, OUT n_init integer, OUT seed bigint, OUT quality text,
    OUT exact boolean, OUT format integer, OUT warnings text[])
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_info(kmeans_model) IS 'One row about a model: segments found and k asked for, inputs, rows used, skipped and left out, and its metrics on the training rows (silhouette is the centroid-based one; explained is 1 - inertia / total_inertia).';

CREATE FUNCTION kmeans_clusters(model kmeans_model)
    RETURNS TABLE (segment integer, rows bigint, share double precision, weight double precision, inertia double precision,
                   spread double precision, centroid double precision[])
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_clusters' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION kmeans_clusters(kmeans_model) IS 'A row per segment: training rows, share of the weight, inertia, spread (root mean square distance to the centroid, model space) and centroid in raw units.';

CREATE FUNCTION kmeans_centroids(model kmeans_model)
    RETURNS TABLE (segment integer, feature text, centroid double precision, scaled double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_centroids' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 50;
COMMENT ON FUNCTION kmeans_centroids(kmeans_model) IS 'A row per segment and feature: the centroid in raw units and scaled as the model scales it.';

CREATE FUNCTION kmeans_evaluate_accum(double precision[], kmeans_model, double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_evaluate_accum_array' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_evaluate_accum(double precision[], kmeans_model, double precision[], double precision) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_evaluate_accum_array' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_evaluate_accum(double precision[], kmeans_model, jsonb) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_evaluate_accum_jsonb' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_evaluate_accum(double precision[], kmeans_model, jsonb, double precision) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_evaluate_accum_jsonb' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION kmeans_evaluate_combine(double precision[], double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_evaluate_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE TYPE kmeans_evaluation AS (
    rows bigint, skipped bigint, weight double precision, inertia double precision, mean_distance double precision,
    silhouette double precision, calinski_harabasz double precision, davies_bouldin double precision
);
COMMENT ON TYPE kmeans_evaluation IS 'What kmeans_evaluate returns: metrics in model space; silhouette is the centroid-based one.';
CREATE FUNCTION kmeans_evaluate_final(double precision[]) RETURNS kmeans_evaluation
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_evaluate_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE kmeans_evaluate(model kmeans_model, features double precision[]) (
    SFUNC = kmeans_evaluate_accum, STYPE = double precision[], FINALFUNC = kmeans_evaluate_final,
    COMBINEFUNC = kmeans_evaluate_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_evaluate(kmeans_model, double precision[]) IS 'Judges a model on any rows: rows, skipped, weight, inertia, mean distance, centroid-based silhouette, Calinski-Harabasz and Davies-Bouldin, in model space.';
CREATE AGGREGATE kmeans_evaluate(model kmeans_model, features double precision[], weight double precision) (
    SFUNC = kmeans_evaluate_accum, STYPE = double precision[], FINALFUNC = kmeans_evaluate_final,
    COMBINEFUNC = kmeans_evaluate_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_evaluate(kmeans_model, double precision[], double precision) IS 'Judges a model on any weighted rows: rows, skipped, weight, inertia, mean distance, centroid-based silhouette, Calinski-Harabasz and Davies-Bouldin, in model space.';
CREATE AGGREGATE kmeans_evaluate(model kmeans_model, features jsonb) (
    SFUNC = kmeans_evaluate_accum, STYPE = double precision[], FINALFUNC = kmeans_evaluate_final,
    COMBINEFUNC = kmeans_evaluate_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_evaluate(kmeans_model, jsonb) IS 'Judges a model on any rows: rows, skipped, weight, inertia, mean distance, centroid-based silhouette, Calinski-Harabasz and Davies-Bouldin, in model space.';
CREATE AGGREGATE kmeans_evaluate(model kmeans_model, features jsonb, weight double precision) (
    SFUNC = kmeans_evaluate_accum, STYPE = double precision[], FINALFUNC = kmeans_evaluate_final,
    COMBINEFUNC = kmeans_evaluate_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_evaluate(kmeans_model, jsonb, double precision) IS 'Judges a model on any weighted rows: rows, skipped, weight, inertia, mean distance, centroid-based silhouette, Calinski-Harabasz and Davies-Bouldin, in model space.';
