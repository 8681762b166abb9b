-- Outliers: rows that are not like the rows around them.

CREATE FUNCTION local_outlier_factor(features double precision[], neighbors integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_local_outlier_factor' LANGUAGE C IMMUTABLE WINDOW PARALLEL SAFE;
COMMENT ON FUNCTION local_outlier_factor(double precision[], integer) IS 'The local outlier factor of each row of a window partition among its nearest neighbors: about 1 within a group, larger for outliers. NULL for a row that has a NULL, NaN or infinite feature, or is the only one.';
