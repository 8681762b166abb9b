-- Schema segmentation: data to try the extension on.

-- The schema is there already with CREATE EXTENSION segmentation SCHEMA segmentation.
DO $$
BEGIN
    IF '@extschema@' <> 'segmentation' THEN
        CREATE SCHEMA segmentation;
        COMMENT ON SCHEMA segmentation IS 'Customer segmentation with the extension of that name.';
        GRANT USAGE ON SCHEMA segmentation TO PUBLIC;
    END IF;
END $$;

CREATE FUNCTION segmentation.sample_customers(n bigint, seed bigint DEFAULT 0)
    RETURNS TABLE (customer_id bigint, age integer, education integer, years_employed integer, income double precision,
                   card_debt double precision, other_debt double precision, defaulted boolean,
                   debt_income_ratio double precision, region text)
    AS 'MODULE_PATHNAME', 'segmentation_sample_customers' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000;
COMMENT ON FUNCTION segmentation.sample_customers(bigint, bigint) IS 'Made-up card customers, the same rows everywhere for one seed: income and debts in thousands, ratio in percent, defaulted NULL where the outcome is not known.';
