-- Scoring. With an array the functions are IMMUTABLE, so that generated columns, indexes and partition keys can use them; a row
-- and jsonb are read by the names of the model's inputs and are STABLE. Units: distances are in model space (after the model's
-- own scaling). COST: so that the planner scores large tables in parallel (docs/decisions.md).

-- A literal model and a whole row are planned as an array of the columns that the model reads.
CREATE FUNCTION kmeans_row_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_row_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_row_support(internal) IS 'Planner support: rewrites the row form of the scoring functions into the array form.';
CREATE FUNCTION kmeans_number(value numeric) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_number' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_number(numeric) IS 'A numeric as the scoring functions read it from a row: infinite beyond the range of double precision, where a cast raises an error.';

CREATE FUNCTION kmeans_assign(model kmeans_model, features double precision[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_assign(kmeans_model, double precision[]) IS 'The segment of a row under a model; NULL when a feature is missing and the model does not impute it.';
CREATE FUNCTION kmeans_assign(model kmeans_model, features record) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
    SUPPORT kmeans_row_support;
COMMENT ON FUNCTION kmeans_assign(kmeans_model, record) IS 'The segment of a row under a model; NULL when a feature is missing and the model does not impute it.';
CREATE FUNCTION kmeans_assign(model kmeans_model, features jsonb) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_assign(kmeans_model, jsonb) IS 'The segment of a row under a model; NULL when a feature is missing and the model does not impute it.';

CREATE FUNCTION kmeans_distance(model kmeans_model, features double precision[]) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_distance(kmeans_model, double precision[]) IS 'The distance of a row to the nearest centroid, in model space; NULL where kmeans_assign is.';
CREATE FUNCTION kmeans_distance(model kmeans_model, features record) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
    SUPPORT kmeans_row_support;
COMMENT ON FUNCTION kmeans_distance(kmeans_model, record) IS 'The distance of a row to the nearest centroid, in model space; NULL where kmeans_assign is.';
CREATE FUNCTION kmeans_distance(model kmeans_model, features jsonb) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_distance(kmeans_model, jsonb) IS 'The distance of a row to the nearest centroid, in model space; NULL where kmeans_assign is.';

CREATE FUNCTION kmeans_ranked(model kmeans_model, features double precision[], n integer) RETURNS TABLE (rank integer, segment integer, distance double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_ranked_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_ranked(kmeans_model, double precision[], integer) IS 'The n nearest segments of a row, nearest first; distance in model space.';
CREATE FUNCTION kmeans_ranked(model kmeans_model, features record, n integer) RETURNS TABLE (rank integer, segment integer, distance double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_ranked_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10
    SUPPORT kmeans_row_support;
COMMENT ON FUNCTION kmeans_ranked(kmeans_model, record, integer) IS 'The n nearest segments of a row, nearest first; distance in model space.';
CREATE FUNCTION kmeans_ranked(model kmeans_model, features jsonb, n integer) RETURNS TABLE (rank integer, segment integer, distance double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_ranked_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_ranked(kmeans_model, jsonb, integer) IS 'The n nearest segments of a row, nearest first; distance in model space.';

CREATE FUNCTION kmeans_score(model kmeans_model, features double precision[], OUT segment integer, OUT distance double precision,
    OUT runner_up integer, OUT runner_up_distance double precision, OUT silhouette double precision,
    OUT outlier_score double precision, OUT borderline boolean)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_score_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_score(kmeans_model, double precision[]) IS 'Segment, distance, runner-up, centroid-based silhouette (0 between two segments, 1 at a centroid), outlier_score (distance as a multiple of what is usual in the segment) and borderline (silhouette below 0.1) of a row.';
CREATE FUNCTION kmeans_score(model kmeans_model, features record, OUT segment integer, OUT distance double precision,
    OUT runner_up integer, OUT runner_up_distance double precision, OUT silhouette double precision,
    OUT outlier_score double precision, OUT borderline boolean)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_score_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
    SUPPORT kmeans_row_support;
COMMENT ON FUNCTION kmeans_score(kmeans_model, record) IS 'Segment, distance, runner-up, centroid-based silhouette (0 between two segments, 1 at a centroid), outlier_score (distance as a multiple of what is usual in the segment) and borderline (silhouette below 0.1) of a row.';
CREATE FUNCTION kmeans_score(model kmeans_model, features jsonb, OUT segment integer, OUT distance double precision,
    OUT runner_up integer, OUT runner_up_distance double precision, OUT silhouette double precision,
    OUT outlier_score double precision, OUT borderline boolean)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_score_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION kmeans_score(kmeans_model, jsonb) IS 'Segment, distance, runner-up, centroid-based silhouette (0 between two segments, 1 at a centroid), outlier_score (distance as a multiple of what is usual in the segment) and borderline (silhouette below 0.1) of a row.';

CREATE FUNCTION kmeans_explain(model kmeans_model, features double precision[]) RETURNS TABLE (feature text, value double precision, centroid double precision, contribution double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_explain_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_explain(kmeans_model, double precision[]) IS 'Why a row is in its segment and not in the runner-up: per feature, by how much it is closer (squared distance in model space), largest first.';
CREATE FUNCTION kmeans_explain(model kmeans_model, features record) RETURNS TABLE (feature text, value double precision, centroid double precision, contribution double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_explain_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10
    SUPPORT kmeans_row_support;
COMMENT ON FUNCTION kmeans_explain(kmeans_model, record) IS 'Why a row is in its segment and not in the runner-up: per feature, by how much it is closer (squared distance in model space), largest first.';
CREATE FUNCTION kmeans_explain(model kmeans_model, features jsonb) RETURNS TABLE (feature text, value double precision, centroid double precision, contribution double precision)
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_explain_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION kmeans_explain(kmeans_model, jsonb) IS 'Why a row is in its segment and not in the runner-up: per feature, by how much it is closer (squared distance in model space), largest first.';

