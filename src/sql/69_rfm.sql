-- Recency, frequency and monetary value of customers, from a table of their transactions.

-- In a query's filter, so that what it says comes from the one read; in the leader, so that it is heard.
CREATE FUNCTION segmentation.say_left_out(rows bigint, customers bigint, times bigint, amounts bigint) RETURNS boolean LANGUAGE plpgsql PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE NOTICE USING MESSAGE = format('%s rows with missing values are left out', rows),
        DETAIL = format('The customer is missing in %s, the time in %s, the amount in %s.', customers, times, amounts);
    RETURN false;
END $$;
COMMENT ON FUNCTION segmentation.say_left_out(bigint, bigint, bigint, bigint) IS 'Internal: the notice of rfm about rows with missing values.';

CREATE FUNCTION segmentation.rfm_of_source(caller_path text, source regclass, customer_name text, time_name text, amount_name text, as_of timestamptz, months integer)
    RETURNS TABLE (customer text, recency_days double precision, frequency double precision, monetary double precision, average_purchase double precision,
                   refunds double precision, first_purchase timestamptz, last_purchase timestamptz) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who jsonb;
    moment jsonb;
    amount jsonb;
    clock text;  -- the type in which times are compared: what has no time zone is taken as it stands, a date as its midnight
    exact boolean;
    since timestamptz := CASE WHEN months IS NULL THEN '-infinity' ELSE as_of - make_interval(months => months) END;
    query text;
BEGIN
    IF as_of IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'as_of must not be null',
            HINT = 'Give the moment at which customers are looked at, for example now(); the same moment gives the same answer tomorrow.';
    ELSIF NOT isfinite(as_of) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'as_of must be finite';
    ELSIF months < 1 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'number of months must be positive', DETAIL = format('It is %s.', months), HINT = 'NULL takes all transactions up to as_of.';
    END IF;
    who := segmentation.explored_columns(source, ARRAY[customer_name], 'customer', NULL) -> 0;
    moment := segmentation.explored_columns(source, ARRAY[time_name], 'at', '{time}') -> 0;
    amount := segmentation.explored_columns(source, ARRAY[amount_name], 'amount', '{number}') -> 0;
    clock := CASE moment ->> 'base' WHEN 'timestamp with time zone' THEN 'timestamptz' ELSE 'timestamp' END;
    exact := amount ->> 'base' IN ('smallint', 'integer', 'bigint', 'numeric');
    -- Rows with a missing value are a group without a customer.
    query := format('SELECT %s, pg_catalog.date_part(''epoch'', $1::pg_catalog.%s OPERATOR(pg_catalog.-) g.last) OPERATOR(pg_catalog./) 86400::pg_catalog.float8, g.purchases::pg_catalog.float8, '
            '%s, %s OPERATOR(pg_catalog./) g.purchases::pg_catalog.float8, g.refunds::pg_catalog.float8, g.first::pg_catalog.timestamptz, g.last::pg_catalog.timestamptz FROM (',
        who ->> 'shown', clock, CASE WHEN exact THEN '@extschema@.kmeans_number(g.total::pg_catalog.numeric)' ELSE 'g.total' END,
        CASE WHEN exact THEN '@extschema@.kmeans_number(g.purchased::pg_catalog.numeric)' ELSE 'g.purchased' END)
        || 'SELECT t.value, pg_catalog.min(t.at) FILTER (WHERE NOT t.refund) AS first, pg_catalog.max(t.at) FILTER (WHERE NOT t.refund) AS last, '
            'pg_catalog.count(*) FILTER (WHERE NOT t.refund) AS purchases, pg_catalog.count(*) FILTER (WHERE t.refund) AS refunds, '
            'pg_catalog.sum(t.amount) AS total, pg_catalog.sum(t.amount) FILTER (WHERE NOT t.refund) AS purchased, pg_catalog.count(*) AS rows, '
            'pg_catalog.count(*) FILTER (WHERE t.no_customer) AS no_customer, pg_catalog.count(*) FILTER (WHERE t.at IS NULL) AS no_time, '
            'pg_catalog.count(*) FILTER (WHERE t.amount IS NULL) AS no_amount FROM ('
        || format('SELECT CASE WHEN %3$s IS NOT NULL AND %2$s IS NOT NULL THEN %1$s END AS value, (%1$s) IS NULL AS no_customer, %2$s AS at, %4$s AS amount, '
            '%3$s OPERATOR(pg_catalog.<) 0::pg_catalog.float8 AS refund FROM %5$s AS s '
            'WHERE %2$s IS NULL OR %2$s OPERATOR(pg_catalog.>) $2::pg_catalog.%6$s AND %2$s OPERATOR(pg_catalog.<=) $1::pg_catalog.%6$s',
        who ->> 'value', format('s.%I::pg_catalog.%s', time_name, clock), amount ->> 'finite', CASE WHEN exact THEN amount ->> 'value' ELSE amount ->> 'finite' END,
        segmentation.qualified(source), clock)
        || ') AS t GROUP BY t.value) AS g WHERE CASE WHEN g.value IS NULL THEN segmentation.say_left_out(g.rows, g.no_customer, g.no_time, g.no_amount) ELSE true END';
    PERFORM set_config('search_path', caller_path, true);
    RETURN QUERY EXECUTE query USING as_of, since;
END $$;
COMMENT ON FUNCTION segmentation.rfm_of_source(text, regclass, text, text, text, timestamptz, integer) IS 'Internal: rfm.';

CREATE FUNCTION segmentation.rfm(source regclass, customer text, at text, amount text, as_of timestamptz, months integer)
    RETURNS TABLE (customer text, recency_days double precision, frequency double precision, monetary double precision, average_purchase double precision,
                   refunds double precision, first_purchase timestamptz, last_purchase timestamptz) LANGUAGE sql STABLE
AS $$ SELECT * FROM segmentation.rfm_of_source(pg_catalog.current_setting('search_path'), $1, $2, $3, $4, $5, $6) $$;
COMMENT ON FUNCTION segmentation.rfm(regclass, text, text, text, timestamptz, integer) IS 'Recency, frequency and monetary value per customer from a table of transactions, over the months before as_of: days since the last purchase, number of purchases, sum of the amounts. Negative amounts are refunds: they lower the sum and are not purchases.';
