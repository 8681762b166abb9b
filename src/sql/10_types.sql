-- Types: the trained model and the mergeable summary of rows. Comparison is by canonical bytes: equal values are equal, the
-- order has no other meaning; it is there for DISTINCT, GROUP BY, UNION and merge joins.

CREATE TYPE kmeans_model;

CREATE FUNCTION kmeans_model_in(cstring) RETURNS kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_model_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_out(kmeans_model) RETURNS cstring
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_model_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_recv(internal) RETURNS kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_model_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_send(kmeans_model) RETURNS bytea
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_model_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE kmeans_model (
    INPUT = kmeans_model_in, OUTPUT = kmeans_model_out, RECEIVE = kmeans_model_recv, SEND = kmeans_model_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = extended
);
COMMENT ON TYPE kmeans_model IS 'A trained k-means model, whole: inputs with their preprocessing, centroids, segment ids, metrics, warnings. Text form: canonical JSON.';

CREATE FUNCTION kmeans_model_to_jsonb(kmeans_model) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_model_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_from_jsonb(jsonb) RETURNS kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_model_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (kmeans_model AS jsonb) WITH FUNCTION kmeans_model_to_jsonb(kmeans_model);
CREATE CAST (jsonb AS kmeans_model) WITH FUNCTION kmeans_model_from_jsonb(jsonb);

CREATE FUNCTION kmeans_model_eq(kmeans_model, kmeans_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_ne(kmeans_model, kmeans_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_lt(kmeans_model, kmeans_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_le(kmeans_model, kmeans_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_gt(kmeans_model, kmeans_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_ge(kmeans_model, kmeans_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_cmp(kmeans_model, kmeans_model) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_value_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_hash(kmeans_model) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_value_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_model_hash_extended(kmeans_model, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'segmentation_value_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR = (LEFTARG = kmeans_model, RIGHTARG = kmeans_model, FUNCTION = kmeans_model_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR <> (LEFTARG = kmeans_model, RIGHTARG = kmeans_model, FUNCTION = kmeans_model_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR < (LEFTARG = kmeans_model, RIGHTARG = kmeans_model, FUNCTION = kmeans_model_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR <= (LEFTARG = kmeans_model, RIGHTARG = kmeans_model, FUNCTION = kmeans_model_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR > (LEFTARG = kmeans_model, RIGHTARG = kmeans_model, FUNCTION = kmeans_model_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR >= (LEFTARG = kmeans_model, RIGHTARG = kmeans_model, FUNCTION = kmeans_model_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR CLASS kmeans_model_ops DEFAULT FOR TYPE kmeans_model USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 kmeans_model_cmp(kmeans_model, kmeans_model);
CREATE OPERATOR CLASS kmeans_model_ops DEFAULT FOR TYPE kmeans_model USING hash AS
    OPERATOR 1 =, FUNCTION 1 kmeans_model_hash(kmeans_model), FUNCTION 2 kmeans_model_hash_extended(kmeans_model, bigint);

CREATE TYPE kmeans_sketch;

CREATE FUNCTION kmeans_sketch_in(cstring) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_out(kmeans_sketch) RETURNS cstring
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_recv(internal) RETURNS kmeans_sketch
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_send(kmeans_sketch) RETURNS bytea
    AS 'MODULE_PATHNAME', 'segmentation_kmeans_sketch_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE kmeans_sketch (
    INPUT = kmeans_sketch_in, OUTPUT = kmeans_sketch_out, RECEIVE = kmeans_sketch_recv, SEND = kmeans_sketch_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = extended
);
COMMENT ON TYPE kmeans_sketch IS 'A mergeable summary of rows: can be stored, merged over any grouping, and trained from later. Text form: base64 of the binary one.';

CREATE FUNCTION kmeans_sketch_eq(kmeans_sketch, kmeans_sketch) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_ne(kmeans_sketch, kmeans_sketch) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_lt(kmeans_sketch, kmeans_sketch) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_le(kmeans_sketch, kmeans_sketch) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_gt(kmeans_sketch, kmeans_sketch) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_ge(kmeans_sketch, kmeans_sketch) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_cmp(kmeans_sketch, kmeans_sketch) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_value_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_hash(kmeans_sketch) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_value_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION kmeans_sketch_hash_extended(kmeans_sketch, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'segmentation_value_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR = (LEFTARG = kmeans_sketch, RIGHTARG = kmeans_sketch, FUNCTION = kmeans_sketch_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR <> (LEFTARG = kmeans_sketch, RIGHTARG = kmeans_sketch, FUNCTION = kmeans_sketch_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR < (LEFTARG = kmeans_sketch, RIGHTARG = kmeans_sketch, FUNCTION = kmeans_sketch_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR <= (LEFTARG = kmeans_sketch, RIGHTARG = kmeans_sketch, FUNCTION = kmeans_sketch_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR > (LEFTARG = kmeans_sketch, RIGHTARG = kmeans_sketch, FUNCTION = kmeans_sketch_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR >= (LEFTARG = kmeans_sketch, RIGHTARG = kmeans_sketch, FUNCTION = kmeans_sketch_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR CLASS kmeans_sketch_ops DEFAULT FOR TYPE kmeans_sketch USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 kmeans_sketch_cmp(kmeans_sketch, kmeans_sketch);
CREATE OPERATOR CLASS kmeans_sketch_ops DEFAULT FOR TYPE kmeans_sketch USING hash AS
    OPERATOR 1 =, FUNCTION 1 kmeans_sketch_hash(kmeans_sketch), FUNCTION 2 kmeans_sketch_hash_extended(kmeans_sketch, bigint);
