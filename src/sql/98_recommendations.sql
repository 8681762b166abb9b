-- Recommendations: rules that the bank edits, joined to the segments by their levels and risk.

-- Whether the current user has a privilege on a model, for policies.
CREATE FUNCTION segmentation.has_privilege_as_owner(caller name, model_name text, privilege text) RETURNS boolean LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF privilege IS NULL OR privilege NOT IN ('use', 'train', 'approve', 'owner') THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('unknown privilege "%s"', privilege), HINT = 'Valid privileges are use, train, approve and owner.';
    END IF;
    RETURN segmentation.registry_may(caller, model_name, privilege);
END $$;
COMMENT ON FUNCTION segmentation.has_privilege_as_owner(name, text, text) IS 'Internal: has_privilege.';
CREATE FUNCTION segmentation.has_privilege(model text, privilege text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.has_privilege(text, text) IS 'Whether the current user has a privilege on a model: use, train, approve, or owner for membership in its owner. False where there is no such model.';

-- A table of the users', with row-level security: those of a model's owner edit its rules, those who may use the model see them. Everybody may SELECT
-- and INSERT. Not UPDATE and DELETE: whoever has those may LOCK the table against all others, and no policy applies to that; so rules are taken away by
-- drop_rule, and the rights can be granted to those who are trusted with them.
CREATE TABLE segmentation.recommendation_rule (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text COLLATE "C" NOT NULL REFERENCES segmentation.registry_model ON UPDATE CASCADE ON DELETE CASCADE,
    conditions jsonb NOT NULL DEFAULT '{}',
    product text NOT NULL CHECK (product <> ''),
    rationale text NOT NULL DEFAULT '',
    priority integer NOT NULL DEFAULT 100
);
CREATE INDEX recommendation_rule_model ON segmentation.recommendation_rule (model, priority);
COMMENT ON TABLE segmentation.recommendation_rule IS 'What to recommend to the customers of which segments: members of the model''s owner INSERT and segmentation.drop_rule (UPDATE and DELETE where the administrator grants them); those who may use the model SELECT.';
COMMENT ON COLUMN segmentation.recommendation_rule.id IS 'Number of the rule.';
COMMENT ON COLUMN segmentation.recommendation_rule.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.recommendation_rule.conditions IS 'Which segments it is for: {"levels": {"income": "high", "age": ["typical", "high"]}, "risk": "lower"}. All have to hold; an array holds where any of its values does. levels and risk are those of segment_profile and segment_risk. {} is every segment.';
COMMENT ON COLUMN segmentation.recommendation_rule.product IS 'What is recommended.';
COMMENT ON COLUMN segmentation.recommendation_rule.rationale IS 'Why, for whoever talks to the customer.';
COMMENT ON COLUMN segmentation.recommendation_rule.priority IS 'Lower ones come first.';
ALTER TABLE segmentation.recommendation_rule ENABLE ROW LEVEL SECURITY;
CREATE POLICY recommendation_rule_read ON segmentation.recommendation_rule FOR SELECT USING (segmentation.has_privilege(model, 'use'));
CREATE POLICY recommendation_rule_edit ON segmentation.recommendation_rule USING (segmentation.has_privilege(model, 'owner')) WITH CHECK (segmentation.has_privilege(model, 'owner'));
GRANT SELECT, INSERT ON segmentation.recommendation_rule TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('segmentation.recommendation_rule', '');
SELECT pg_catalog.pg_extension_config_dump('segmentation.recommendation_rule_id_seq', '');

-- Raises an error where a condition is not what it should be.
CREATE FUNCTION segmentation.check_condition(what text, value jsonb, valid text[]) RETURNS void LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong jsonb;
BEGIN
    SELECT w INTO wrong FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END) AS w
     WHERE jsonb_typeof(w) <> 'string' OR NOT w #>> '{}' = ANY (valid) LIMIT 1;
    IF FOUND OR value = '[]' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('invalid value for %s in conditions', what), DETAIL = format('The value is %s.', coalesce(wrong, value)),
            HINT = format('Valid values are %s, and arrays of them.', (SELECT string_agg(to_jsonb(v)::text, ', ') FROM unnest(valid) AS v));
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.check_condition(text, jsonb, text[]) IS 'Internal: raises an error unless a condition names valid words.';

CREATE FUNCTION segmentation.check_rule() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    condition record;
    hint CONSTANT text := 'For example {"levels": {"income": "high", "age": ["typical", "high"]}, "risk": "lower"}.';
BEGIN
    IF NEW.model IS NULL OR NEW.conditions IS NULL THEN
        RETURN NEW;  -- the table says that they must not be
    ELSIF NOT segmentation.has_privilege(NEW.model, 'use') THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('model "%s" does not exist', NEW.model), HINT = 'The view segmentation.models lists the models that you may use.';
    ELSIF NOT segmentation.has_privilege(NEW.model, 'owner') THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for model "%s"', NEW.model), DETAIL = 'Only members of its owner edit its rules.';
    ELSIF jsonb_typeof(NEW.conditions) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'conditions must be a JSON object', HINT = hint;
    END IF;
    FOR condition IN SELECT e.key, e.value FROM jsonb_each(NEW.conditions) AS e LOOP
        IF condition.key = 'risk' THEN
            PERFORM segmentation.check_condition('"risk"', condition.value, '{higher,lower,"not distinguishable","too few known"}');
        ELSIF condition.key <> 'levels' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('unknown key "%s" in conditions', condition.key), DETAIL = 'Valid keys are levels and risk.', HINT = hint;
        ELSIF jsonb_typeof(condition.value) <> 'object' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = '"levels" in conditions must be a JSON object', HINT = hint;
        ELSE
            PERFORM segmentation.check_condition(format('feature "%s"', e.key), e.value, '{low,typical,high}') FROM jsonb_each(condition.value) AS e;
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION segmentation.check_rule() IS 'Internal: checks the conditions of a rule.';
CREATE TRIGGER check_rule BEFORE INSERT OR UPDATE ON segmentation.recommendation_rule FOR EACH ROW EXECUTE FUNCTION segmentation.check_rule();

-- After the policies, so it tells nobody what they may not know: a rule that no segment can ever meet is probably misspelt.
CREATE FUNCTION segmentation.warn_of_rule() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
BEGIN
    IF NOT EXISTS (SELECT FROM segmentation.segment_profile AS p WHERE p.model = NEW.model AND p.is_active) THEN
        RETURN NULL;
    END IF;
    SELECT e.key INTO missing FROM jsonb_each(NEW.conditions -> 'levels') AS e
     WHERE NOT EXISTS (SELECT FROM segmentation.segment_profile AS p WHERE p.model = NEW.model AND p.is_active AND p.feature = e.key) LIMIT 1;
    IF FOUND THEN
        RAISE WARNING USING MESSAGE = format('the profile of model "%s" has no feature "%s", so no segment meets the rule', NEW.model, missing),
            DETAIL = format('It has %s.', (SELECT string_agg(DISTINCT format('"%s"', p.feature), ', ') FROM segmentation.segment_profile AS p WHERE p.model = NEW.model AND p.is_active));
    ELSIF NEW.conditions ? 'risk' AND NOT EXISTS (SELECT FROM segmentation.segment_risk AS r WHERE r.model = NEW.model AND r.is_active) THEN
        RAISE WARNING USING MESSAGE = format('model "%s" was trained without an outcome, so no segment meets a rule about risk', NEW.model);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION segmentation.warn_of_rule() IS 'Internal: warns of a rule that no segment can meet.';
CREATE TRIGGER warn_of_rule AFTER INSERT OR UPDATE ON segmentation.recommendation_rule FOR EACH ROW EXECUTE FUNCTION segmentation.warn_of_rule();

CREATE FUNCTION segmentation.drop_rule_as_owner(caller name, rule bigint) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM segmentation.recommendation_rule AS r WHERE r.id = rule AND segmentation.registry_may(caller, r.model, 'owner');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('you have no rule %s', coalesce(rule::text, 'NULL')), HINT = 'Members of a model''s owner have its rules; SELECT id, product FROM segmentation.recommendation_rule shows them.';
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.drop_rule_as_owner(name, bigint) IS 'Internal: drop_rule.';
CREATE FUNCTION segmentation.drop_rule(id bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.drop_rule(bigint) IS 'Takes a rule out of segmentation.recommendation_rule; for members of its model''s owner.';

-- Whether a value is the condition's, or one of an array of them. What is not known meets no condition.
CREATE FUNCTION segmentation.meets_condition(value text, condition jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(CASE jsonb_typeof(condition) WHEN 'array' THEN condition ? value ELSE condition #>> '{}' = value END, false) $$;
COMMENT ON FUNCTION segmentation.meets_condition(text, jsonb) IS 'Internal: whether a level or a verdict meets a condition of a rule.';

CREATE FUNCTION segmentation.rule_holds(conditions jsonb, levels jsonb, risk text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (NOT conditions ? 'risk' OR segmentation.meets_condition(risk, conditions -> 'risk'))
       AND NOT EXISTS (SELECT FROM jsonb_each(conditions -> 'levels') AS e WHERE NOT segmentation.meets_condition(levels ->> e.key, e.value))
$$;
COMMENT ON FUNCTION segmentation.rule_holds(jsonb, jsonb, text) IS 'Internal: whether a segment with these levels and this risk meets the conditions of a rule.';

-- The segments of a version with their levels and their risk; without a profile nothing is known of them. Of a column that is a feature and
-- the outcome, the feature counts.
CREATE FUNCTION segmentation.segment_levels(model @extschema@.kmeans_model, profile jsonb) RETURNS TABLE (segment integer, levels jsonb, risk text) LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT c.segment, coalesce(f.levels, '{}'), r.verdict
      FROM @extschema@.kmeans_clusters(model) AS c
      LEFT JOIN (SELECT p.segment, jsonb_object_agg(p.feature, p.level ORDER BY p.role = 'outcome' DESC) AS levels FROM segmentation.profile_features(profile) AS p GROUP BY p.segment) AS f ON f.segment = c.segment
      LEFT JOIN segmentation.profile_risks(profile) AS r ON r.segment = c.segment
$$;
COMMENT ON FUNCTION segmentation.segment_levels(@extschema@.kmeans_model, jsonb) IS 'Internal: what rules ask of the segments of a version.';

CREATE VIEW segmentation.segment_recommendation WITH (security_barrier) AS
    SELECT v.model, v.version, v.active AS is_active, v.trained AS as_of, s.segment, coalesce(l.label, 'segment ' || s.segment) AS segment_label,
           pg_catalog.row_number() OVER (PARTITION BY v.model, v.version, s.segment ORDER BY r.priority, r.id)::integer AS place, r.product, r.rationale, r.priority, r.conditions::text AS conditions
      FROM segmentation.registry_version AS v JOIN segmentation.registry_visible AS m ON m.name = v.model
      CROSS JOIN LATERAL segmentation.segment_levels(v.value, v.profile) AS s
      JOIN segmentation.recommendation_rule AS r ON r.model = v.model AND segmentation.rule_holds(r.conditions, s.levels, s.risk)
      LEFT JOIN segmentation.registry_label AS l ON l.model = v.model AND l.segment = s.segment;
COMMENT ON VIEW segmentation.segment_recommendation IS 'What the rules in recommendation_rule recommend to the customers of each segment.';
COMMENT ON COLUMN segmentation.segment_recommendation.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segment_recommendation.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.segment_recommendation.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.segment_recommendation.as_of IS 'When it was trained, and so described.';
COMMENT ON COLUMN segmentation.segment_recommendation.segment IS 'Id of the segment.';
COMMENT ON COLUMN segmentation.segment_recommendation.segment_label IS 'Its name.';
COMMENT ON COLUMN segmentation.segment_recommendation.place IS '1 for what is recommended first.';
COMMENT ON COLUMN segmentation.segment_recommendation.product IS 'What is recommended.';
COMMENT ON COLUMN segmentation.segment_recommendation.rationale IS 'Why.';
COMMENT ON COLUMN segmentation.segment_recommendation.priority IS 'Priority of the rule; lower ones come first.';
COMMENT ON COLUMN segmentation.segment_recommendation.conditions IS 'Conditions of the rule, as JSON.';

-- For one customer. Rows as kmeans_assign takes them.
CREATE FUNCTION segmentation.recommendations_of(model_name text, assigned integer) RETURNS TABLE (segment integer, segment_label text, place integer, product text, rationale text) LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.segment, r.segment_label, r.place, r.product, r.rationale FROM segmentation.segment_recommendation AS r
     WHERE r.model = model_name AND r.is_active AND r.segment = assigned ORDER BY r.place
$$;
COMMENT ON FUNCTION segmentation.recommendations_of(text, integer) IS 'Internal: what is recommended to the customers of a segment of the active version.';
CREATE FUNCTION segmentation.recommend(name text, customer record) RETURNS TABLE (segment integer, segment_label text, place integer, product text, rationale text) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT * FROM segmentation.recommendations_of(name, @extschema@.kmeans_assign(name, customer));
END $$;
COMMENT ON FUNCTION segmentation.recommend(text, record) IS 'What the rules recommend to one customer, a row of a table: SELECT r.* FROM customers AS c, segmentation.recommend(''cards'', c) AS r WHERE ... No rows where the customer has no segment, or no rule is for it.';
CREATE FUNCTION segmentation.recommend(name text, customer jsonb) RETURNS TABLE (segment integer, segment_label text, place integer, product text, rationale text) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT * FROM segmentation.recommendations_of(name, @extschema@.kmeans_assign(name, customer));
END $$;
COMMENT ON FUNCTION segmentation.recommend(text, jsonb) IS 'What the rules recommend to one customer, given as JSON.';
