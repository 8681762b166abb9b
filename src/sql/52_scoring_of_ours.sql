-- The functions that code in schema segmentation scores with, in a schema where nobody else can create: an overload for one row type, in a
-- schema that is open to others, would be preferred to one for any record.

CREATE FUNCTION segmentation.assign_row(model @extschema@.kmeans_model, features double precision[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segmentation.assign_row(@extschema@.kmeans_model, double precision[]) IS 'Internal: kmeans_assign.';
CREATE FUNCTION segmentation.assign_row(model @extschema@.kmeans_model, features record) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
    SUPPORT @extschema@.kmeans_row_support;
COMMENT ON FUNCTION segmentation.assign_row(@extschema@.kmeans_model, record) IS 'Internal: kmeans_assign.';
CREATE FUNCTION segmentation.assign_row(model text, features record) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_assign_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segmentation.assign_row(text, record) IS 'Internal: kmeans_assign.';
CREATE FUNCTION segmentation.distance_row(model @extschema@.kmeans_model, features double precision[]) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segmentation.distance_row(@extschema@.kmeans_model, double precision[]) IS 'Internal: kmeans_distance.';
CREATE FUNCTION segmentation.distance_row(model @extschema@.kmeans_model, features record) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_distance_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
    SUPPORT @extschema@.kmeans_row_support;
COMMENT ON FUNCTION segmentation.distance_row(@extschema@.kmeans_model, record) IS 'Internal: kmeans_distance.';
