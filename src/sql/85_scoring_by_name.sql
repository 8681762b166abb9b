-- Scoring with a model's name: its active version, as the statement's snapshot has it (src/pg/registry_lookup.cc). A literal that starts with
-- { is taken for a name, too; the error says how to write a model.

CREATE FUNCTION kmeans_assign(model text, features double precision[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_assign(text, double precision[]) IS 'The segment of a row under the active version of a model; NULL when a feature is missing and the model does not impute it.';
CREATE FUNCTION kmeans_assign(model text, features record) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_assign(text, record) IS 'The segment of a row under the active version of a model; NULL when a feature is missing and the model does not impute it.';
CREATE FUNCTION kmeans_assign(model text, features jsonb) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_assign(text, jsonb) IS 'The segment of a row under the active version of a model; NULL when a feature is missing and the model does not impute it.';
CREATE FUNCTION kmeans_distance(model text, features double precision[]) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_distance(text, double precision[]) IS 'The distance of a row to the nearest centroid, in model space; NULL where kmeans_assign is.';
CREATE FUNCTION kmeans_distance(model text, features record) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_distance(text, record) IS 'The distance of a row to the nearest centroid, in model space; NULL where kmeans_assign is.';
CREATE FUNCTION kmeans_distance(model text, features jsonb) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_distance(text, jsonb) IS 'The distance of a row to the nearest centroid, in model space; NULL where kmeans_assign is.';
CREATE FUNCTION kmeans_ranked(model text, features double precision[], n integer) RETURNS TABLE (rank integer, segment integer, distance double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_ranked_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_ranked(text, double precision[], integer) IS 'The n nearest segments of a row, nearest first; distance in model space.';
CREATE FUNCTION kmeans_ranked(model text, features record, n integer) RETURNS TABLE (rank integer, segment integer, distance double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_ranked_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_ranked(text, record, integer) IS 'The n nearest segments of a row, nearest first; distance in model space.';
CREATE FUNCTION kmeans_ranked(model text, features jsonb, n integer) RETURNS TABLE (rank integer, segment integer, distance double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_ranked_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_ranked(text, jsonb, integer) IS 'The n nearest segments of a row, nearest first; distance in model space.';
CREATE FUNCTION kmeans_score(model text, features double precision[], OUT segment integer, OUT distance double precision,
    OUT runner_up integer, OUT runner_up_distance double precision, OUT silhouette double precision,
    OUT outlier_score double precision, OUT borderline boolean)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_score_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_score(text, double precision[]) IS 'Segment, distance, runner-up, centroid-based silhouette (0 between two segments, 1 at a centroid), outlier_score (distance as a multiple of what is usual in the segment) and borderline (silhouette below 0.1) of a row, under the active version of a registered model.';
CREATE FUNCTION kmeans_score(model text, features record, OUT segment integer, OUT distance double precision,
    OUT runner_up integer, OUT runner_up_distance double precision, OUT silhouette double precision,
    OUT outlier_score double precision, OUT borderline boolean)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_score_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_score(text, record) IS 'Segment, distance, runner-up, centroid-based silhouette (0 between two segments, 1 at a centroid), outlier_score (distance as a multiple of what is usual in the segment) and borderline (silhouette below 0.1) of a row, under the active version of a registered model.';
CREATE FUNCTION kmeans_score(model text, features jsonb, OUT segment integer, OUT distance double precision,
    OUT runner_up integer, OUT runner_up_distance double precision, OUT silhouette double precision,
    OUT outlier_score double precision, OUT borderline boolean)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_score_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_score(text, jsonb) IS 'Segment, distance, runner-up, centroid-based silhouette (0 between two segments, 1 at a centroid), outlier_score (distance as a multiple of what is usual in the segment) and borderline (silhouette below 0.1) of a row, under the active version of a registered model.';
CREATE FUNCTION kmeans_explain(model text, features double precision[]) RETURNS TABLE (feature text, value double precision, centroid double precision, contribution double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_explain_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_explain(text, double precision[]) IS 'Why a row is in its segment and not in the runner-up: per feature, by how much it is closer (squared distance in model space), largest first.';
CREATE FUNCTION kmeans_explain(model text, features record) RETURNS TABLE (feature text, value double precision, centroid double precision, contribution double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_explain_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_explain(text, record) IS 'Why a row is in its segment and not in the runner-up: per feature, by how much it is closer (squared distance in model space), largest first.';
CREATE FUNCTION kmeans_explain(model text, features jsonb) RETURNS TABLE (feature text, value double precision, centroid double precision, contribution double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_explain_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_explain(text, jsonb) IS 'Why a row is in its segment and not in the runner-up: per feature, by how much it is closer (squared distance in model space), largest first.';

-- Reading one.

CREATE FUNCTION kmeans_info(model text,
    OUT segments integer, OUT k integer, OUT features text[], OUT distance text, OUT scale text,
    OUT rows bigint, OUT skipped bigint, OUT left_out bigint, OUT weight double precision,
    OUT inertia double precision, OUT total_inertia double precision, OUT explained double precision,
    OUT mean_distance double precision, OUT silhouette double precision, OUT calinski_harabasz double precision,
    OUT davies_bouldin double precision, OUT iterations bigint, OUT n_init integer, OUT seed bigint, OUT quality text,
    OUT exact boolean, OUT format integer, OUT warnings text[])
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_info' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_info(text) IS 'One row about the active version of a model: segments found and k asked for, inputs, rows used, skipped and left out, and its metrics on the training rows (silhouette is the centroid-based one; explained is 1 - inertia / total_inertia).';
CREATE FUNCTION kmeans_clusters(model text)
    RETURNS TABLE (segment integer, rows bigint, share double precision, weight double precision, inertia double precision,
                   spread double precision, centroid double precision[])
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_clusters' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION kmeans_clusters(text) IS 'A row per segment of the active version of a model: training rows, share of the weight, inertia, spread (root mean square distance to the centroid, model space) and centroid in raw units.';
CREATE FUNCTION kmeans_centroids(model text)
    RETURNS TABLE (segment integer, feature text, centroid double precision, scaled double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_centroids' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 50;
COMMENT ON FUNCTION kmeans_centroids(text) IS 'A row per segment and feature of the active version of a model: the centroid in raw units and scaled as the model scales it.';
