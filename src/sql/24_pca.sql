-- Principal component analysis: the type (comparison by canonical bytes, as 10_types.sql has it), the aggregate and its readers.

CREATE TYPE pca_model;

CREATE FUNCTION pca_model_in(cstring) RETURNS pca_model
    AS 'MODULE_PATHNAME', 'segmentation_pca_model_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_out(pca_model) RETURNS cstring
    AS 'MODULE_PATHNAME', 'segmentation_pca_model_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_recv(internal) RETURNS pca_model
    AS 'MODULE_PATHNAME', 'segmentation_pca_model_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_send(pca_model) RETURNS bytea
    AS 'MODULE_PATHNAME', 'segmentation_pca_model_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE pca_model (
    INPUT = pca_model_in, OUTPUT = pca_model_out, RECEIVE = pca_model_recv, SEND = pca_model_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = extended
);
COMMENT ON TYPE pca_model IS 'A principal component analysis, whole: features with their scaling, mean, components, explained variance. Text form: canonical JSON.';

CREATE FUNCTION pca_model_to_jsonb(pca_model) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_pca_model_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_from_jsonb(jsonb) RETURNS pca_model
    AS 'MODULE_PATHNAME', 'segmentation_pca_model_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (pca_model AS jsonb) WITH FUNCTION pca_model_to_jsonb(pca_model);
CREATE CAST (jsonb AS pca_model) WITH FUNCTION pca_model_from_jsonb(jsonb);

CREATE FUNCTION pca_model_eq(pca_model, pca_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_ne(pca_model, pca_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_lt(pca_model, pca_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_le(pca_model, pca_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_gt(pca_model, pca_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_ge(pca_model, pca_model) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_value_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_cmp(pca_model, pca_model) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_value_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_hash(pca_model) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_value_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pca_model_hash_extended(pca_model, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'segmentation_value_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR = (LEFTARG = pca_model, RIGHTARG = pca_model, FUNCTION = pca_model_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR <> (LEFTARG = pca_model, RIGHTARG = pca_model, FUNCTION = pca_model_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR < (LEFTARG = pca_model, RIGHTARG = pca_model, FUNCTION = pca_model_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR <= (LEFTARG = pca_model, RIGHTARG = pca_model, FUNCTION = pca_model_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR > (LEFTARG = pca_model, RIGHTARG = pca_model, FUNCTION = pca_model_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR >= (LEFTARG = pca_model, RIGHTARG = pca_model, FUNCTION = pca_model_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR CLASS pca_model_ops DEFAULT FOR TYPE pca_model USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 pca_model_cmp(pca_model, pca_model);
CREATE OPERATOR CLASS pca_model_ops DEFAULT FOR TYPE pca_model USING hash AS
    OPERATOR 1 =, FUNCTION 1 pca_model_hash(pca_model), FUNCTION 2 pca_model_hash_extended(pca_model, bigint);

CREATE FUNCTION pca_accum(double precision[], double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_pca_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION pca_accum(double precision[], double precision[], jsonb) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_pca_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION pca_accum(double precision[], double precision[], jsonb, double precision) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_pca_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION pca_combine(double precision[], double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_pca_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION pca_final(double precision[]) RETURNS pca_model
    AS 'MODULE_PATHNAME', 'segmentation_pca_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE pca(features double precision[]) (
    SFUNC = pca_accum, STYPE = double precision[], SSPACE = 2048, FINALFUNC = pca_final, COMBINEFUNC = pca_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pca(double precision[]) IS 'Principal components of the rows: the directions in which they differ most. NULL without rows.';
CREATE AGGREGATE pca(features double precision[], options jsonb) (
    SFUNC = pca_accum, STYPE = double precision[], SSPACE = 2048, FINALFUNC = pca_final, COMBINEFUNC = pca_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pca(double precision[], jsonb) IS 'Principal components of the rows, with options such as {"scale": "zscore", "components": 0.9}.';
CREATE AGGREGATE pca(features double precision[], options jsonb, weight double precision) (
    SFUNC = pca_accum, STYPE = double precision[], SSPACE = 2048, FINALFUNC = pca_final, COMBINEFUNC = pca_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pca(double precision[], jsonb, double precision) IS 'Principal components of weighted rows: a weight of 2 counts as two equal rows, 0 leaves the row out.';

CREATE FUNCTION pca_transform(model pca_model, features double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_pca_transform' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pca_transform(pca_model, double precision[]) IS 'The principal components of a row; NULL when a feature is NULL, NaN or infinite.';

CREATE FUNCTION pca_components(model pca_model)
    RETURNS TABLE (component integer, feature text, loading double precision, variance double precision,
                   variance_ratio double precision, cumulative_ratio double precision)
    AS 'MODULE_PATHNAME', 'segmentation_pca_components' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 25;
COMMENT ON FUNCTION pca_components(pca_model) IS 'A row per component and feature: the loading, and the component''s variance, its share of the total and the share up to it.';
