-- What nobody but the extension's owner may call: functions that believe who their caller is, and those that only they use.
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'segmentation'::regnamespace
                       AND (p.proname LIKE '%\_as\_owner' OR p.proname LIKE 'registry\_%') LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END $$;

-- The views show everybody what they may use, and nothing else.
DO $$
DECLARE
    shown regclass;
BEGIN
    FOR shown IN SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = 'segmentation'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE 'registry\_%' LOOP
        EXECUTE format('GRANT SELECT ON %s TO PUBLIC', shown);
    END LOOP;
END $$;
