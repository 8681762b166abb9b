-- Views of profiles: what segments are like, how risky, how they go along. Rules as in 97_views.sql.

-- The versions that have a profile, with what all of these views show of them.
CREATE VIEW segmentation.registry_profiled WITH (security_barrier) AS
    SELECT v.model, v.version, v.active AS is_active, v.trained AS as_of, v.profile, v.definition ->> 'outcome' AS outcome, (v.profile ->> 'exact')::boolean AS is_exact
      FROM segmentation.registry_version AS v JOIN segmentation.registry_visible AS m ON m.name = v.model WHERE v.profile IS NOT NULL;
COMMENT ON VIEW segmentation.registry_profiled IS 'Internal: the profiles that the current user may see.';
REVOKE ALL ON segmentation.registry_profiled FROM PUBLIC;

CREATE VIEW segmentation.segment_summary WITH (security_barrier) AS
    SELECT s.model, s.version, s.is_active, v.as_of, s.segment, s.segment_label, g.label AS suggested_label, s.description, coalesce(z.customers, s.customers) AS customers, coalesce(z.share, s.share) AS share, v.outcome,
           r.rate AS outcome_rate, r.verdict AS risk
      FROM segmentation.segments AS s
      LEFT JOIN segmentation.registry_profiled AS v ON v.model = s.model AND v.version = s.version
      LEFT JOIN LATERAL segmentation.profile_sizes(v.profile) AS z ON z.segment = s.segment
      LEFT JOIN LATERAL segmentation.profile_labels(v.profile) AS g ON g.segment = s.segment
      LEFT JOIN LATERAL segmentation.profile_risks(v.profile) AS r ON r.segment = s.segment;
COMMENT ON VIEW segmentation.segment_summary IS 'One row per segment of every version: its size, its names, its risk.';
COMMENT ON COLUMN segmentation.segment_summary.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segment_summary.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.segment_summary.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.segment_summary.as_of IS 'When it was trained, and so described.';
COMMENT ON COLUMN segmentation.segment_summary.segment IS 'Id of the segment, what kmeans_assign returns.';
COMMENT ON COLUMN segmentation.segment_summary.segment_label IS 'Its name: the one given with segmentation.label_segment, or its id in words.';
COMMENT ON COLUMN segmentation.segment_summary.suggested_label IS 'A name made of its strongest levels, for segmentation.label_segment; another training may suggest another.';
COMMENT ON COLUMN segmentation.segment_summary.description IS 'What it means, as given with its name.';
COMMENT ON COLUMN segmentation.segment_summary.customers IS 'Rows of the training in it, those that option trim has left out of its centroid among them.';
COMMENT ON COLUMN segmentation.segment_summary.share IS 'Their share of all of those (of their weight, where they have one), from 0 to 1.';
COMMENT ON COLUMN segmentation.segment_summary.outcome IS 'Name of the outcome''s column; NULL where none was given.';
COMMENT ON COLUMN segmentation.segment_summary.outcome_rate IS 'Share of its customers with a known outcome to whom it has happened, from 0 to 1.';
COMMENT ON COLUMN segmentation.segment_summary.risk IS 'That rate against the rest of the customers: higher, lower, not distinguishable, or too few known. See segment_risk.';

CREATE VIEW segmentation.segment_profile WITH (security_barrier) AS
    SELECT v.model, v.version, v.is_active, v.as_of, f.segment, coalesce(l.label, 'segment ' || f.segment) AS segment_label, f.feature, f.role, f.kind, f.customers, f.missing,
           f.mean, f.stddev, f.min, f.q1, f.median, f.q3, f.max, f.population_mean, f.population_stddev, f.index_100, f.z_score, f.relative, f.level, v.is_exact
      FROM segmentation.registry_profiled AS v CROSS JOIN LATERAL segmentation.profile_features(v.profile) AS f
      LEFT JOIN segmentation.registry_label AS l ON l.model = v.model AND l.segment = f.segment;
COMMENT ON VIEW segmentation.segment_profile IS 'What the customers of a segment are like: a row per segment and feature of every version, and per level of a category (category=level). Statistics over fewer than 10 customers are NULL.';
COMMENT ON COLUMN segmentation.segment_profile.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segment_profile.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.segment_profile.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.segment_profile.as_of IS 'When it was trained, and so described.';
COMMENT ON COLUMN segmentation.segment_profile.segment IS 'Id of the segment.';
COMMENT ON COLUMN segmentation.segment_profile.segment_label IS 'Its name.';
COMMENT ON COLUMN segmentation.segment_profile.feature IS 'Name of the column, or category=level.';
COMMENT ON COLUMN segmentation.segment_profile.role IS 'feature (it is clustered by), profile (it describes) or outcome.';
COMMENT ON COLUMN segmentation.segment_profile.kind IS 'number, or level: of a category, whose mean is the share of customers that have it.';
COMMENT ON COLUMN segmentation.segment_profile.customers IS 'Rows of the training in the segment that have a value.';
COMMENT ON COLUMN segmentation.segment_profile.missing IS 'Training rows of the segment that have none (NULL, NaN, infinite).';
COMMENT ON COLUMN segmentation.segment_profile.mean IS 'Mean in the segment, in the column''s units.';
COMMENT ON COLUMN segmentation.segment_profile.stddev IS 'Standard deviation in the segment (of a population).';
COMMENT ON COLUMN segmentation.segment_profile.min IS 'Lowest value.';
COMMENT ON COLUMN segmentation.segment_profile.q1 IS 'First quartile.';
COMMENT ON COLUMN segmentation.segment_profile.median IS 'Median.';
COMMENT ON COLUMN segmentation.segment_profile.q3 IS 'Third quartile.';
COMMENT ON COLUMN segmentation.segment_profile.max IS 'Highest value.';
COMMENT ON COLUMN segmentation.segment_profile.population_mean IS 'Mean of all customers together (but for segments with fewer than 10 of them).';
COMMENT ON COLUMN segmentation.segment_profile.population_stddev IS 'Their standard deviation.';
COMMENT ON COLUMN segmentation.segment_profile.index_100 IS 'The segment''s mean as a percentage of that of all: 100 is the same.';
COMMENT ON COLUMN segmentation.segment_profile.z_score IS 'How many of the standard deviations of all the segment''s mean lies above (or, negative, below) the mean of all.';
COMMENT ON COLUMN segmentation.segment_profile.relative IS 'The mean between the lowest (0) and the highest (1) of all segments, for heatmaps; says nothing about how far those are apart.';
COMMENT ON COLUMN segmentation.segment_profile.level IS 'high or low where z_score is 0.5 or more from 0, else typical.';
COMMENT ON COLUMN segmentation.segment_profile.is_exact IS 'Whether quartiles and shares of levels are of all rows; else of a sample of 100,000, in which small segments are whole. Other statistics are always of all rows.';

CREATE VIEW segmentation.segment_risk WITH (security_barrier) AS
    SELECT v.model, v.version, v.is_active, v.as_of, v.outcome, r.segment, coalesce(l.label, 'segment ' || r.segment) AS segment_label, r.customers, r.known, r.customers - r.known AS unknown,
           (r.customers - r.known) / nullif(r.customers, 0) AS unknown_share, r.events, r.rate, r.rate_low, r.rate_high, r.rest_rate, r.difference, r.difference_low, r.difference_high, r.p_value, r.verdict
      FROM segmentation.registry_profiled AS v CROSS JOIN LATERAL segmentation.profile_risks(v.profile) AS r
      LEFT JOIN segmentation.registry_label AS l ON l.model = v.model AND l.segment = r.segment;
COMMENT ON VIEW segmentation.segment_risk IS 'How often the outcome has happened in each segment, compared with the rest of the customers; from known outcomes only. Intervals are for 95 %. Rows count as one each, whatever their weight.';
COMMENT ON COLUMN segmentation.segment_risk.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segment_risk.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.segment_risk.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.segment_risk.as_of IS 'When it was trained, and so described.';
COMMENT ON COLUMN segmentation.segment_risk.outcome IS 'Name of the outcome''s column.';
COMMENT ON COLUMN segmentation.segment_risk.segment IS 'Id of the segment.';
COMMENT ON COLUMN segmentation.segment_risk.segment_label IS 'Its name.';
COMMENT ON COLUMN segmentation.segment_risk.customers IS 'Training rows in it.';
COMMENT ON COLUMN segmentation.segment_risk.known IS 'Of those, how many have a known outcome.';
COMMENT ON COLUMN segmentation.segment_risk.unknown IS 'How many have not: they are not customers to whom it has not happened.';
COMMENT ON COLUMN segmentation.segment_risk.unknown_share IS 'Their share, from 0 to 1.';
COMMENT ON COLUMN segmentation.segment_risk.events IS 'How many outcomes are 1; NULL where fewer than 10 are known.';
COMMENT ON COLUMN segmentation.segment_risk.rate IS 'Their share of the known ones, from 0 to 1.';
COMMENT ON COLUMN segmentation.segment_risk.rate_low IS 'Lower end of its Wilson interval.';
COMMENT ON COLUMN segmentation.segment_risk.rate_high IS 'Upper end of its Wilson interval.';
COMMENT ON COLUMN segmentation.segment_risk.rest_rate IS 'The rate of all other segments together (but for those with fewer than 10 known outcomes).';
COMMENT ON COLUMN segmentation.segment_risk.difference IS 'rate less rest_rate.';
COMMENT ON COLUMN segmentation.segment_risk.difference_low IS 'Lower end of its Newcombe interval.';
COMMENT ON COLUMN segmentation.segment_risk.difference_high IS 'Upper end of its Newcombe interval.';
COMMENT ON COLUMN segmentation.segment_risk.p_value IS 'Of the score test of equal rates, corrected for the number of segments (Holm).';
COMMENT ON COLUMN segmentation.segment_risk.verdict IS 'higher or lower than the rest where p_value is below 0.05; not distinguishable; or too few known: fewer than 30 in the segment or in the rest.';

CREATE VIEW segmentation.segment_trend WITH (security_barrier) AS
    SELECT v.model, v.version, v.is_active, v.as_of, t.segment, coalesce(l.label, 'segment ' || t.segment) AS segment_label, t.along, t.bin, t.label AS bin_label, t.low, t.high, t.feature,
           t.customers, t.mean, v.is_exact
      FROM segmentation.registry_profiled AS v CROSS JOIN LATERAL segmentation.profile_trend(v.profile) AS t
      LEFT JOIN segmentation.registry_label AS l ON l.model = v.model AND l.segment = t.segment;
COMMENT ON VIEW segmentation.segment_trend IS 'How a segment''s customers differ along a column: the mean of each number by ranges of each other one, for the first 12 numbers of a version and its outcome. Choose one in "along".';
COMMENT ON COLUMN segmentation.segment_trend.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segment_trend.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.segment_trend.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.segment_trend.as_of IS 'When it was trained, and so described.';
COMMENT ON COLUMN segmentation.segment_trend.segment IS 'Id of the segment.';
COMMENT ON COLUMN segmentation.segment_trend.segment_label IS 'Its name.';
COMMENT ON COLUMN segmentation.segment_trend.along IS 'The column whose ranges make the rows.';
COMMENT ON COLUMN segmentation.segment_trend.bin IS 'Number of the range, from 1, to sort by; the same ranges for all segments: single values where there are at most 12, else a tenth of all customers or more.';
COMMENT ON COLUMN segmentation.segment_trend.bin_label IS 'The range in words; (missing) where the column has no value.';
COMMENT ON COLUMN segmentation.segment_trend.low IS 'Its lower end, which belongs to it.';
COMMENT ON COLUMN segmentation.segment_trend.high IS 'Its upper end, which belongs to the next range, and of the last one to it.';
COMMENT ON COLUMN segmentation.segment_trend.feature IS 'The number whose mean it is.';
COMMENT ON COLUMN segmentation.segment_trend.customers IS 'The segment''s customers in the range; NULL from 1 to 9; estimated where is_exact is false.';
COMMENT ON COLUMN segmentation.segment_trend.mean IS 'The mean of feature among them; NULL where fewer than 10 have a value.';
COMMENT ON COLUMN segmentation.segment_trend.is_exact IS 'Whether it is of all rows; else of a sample of 100,000, in which small segments are whole.';

CREATE VIEW segmentation.feature_importance WITH (security_barrier) AS
    SELECT v.model, v.version, v.is_active, v.as_of, i.feature, i.role, i.explained,
           CASE WHEN i.explained IS NOT NULL THEN pg_catalog.rank() OVER (PARTITION BY v.model, v.version ORDER BY i.explained DESC NULLS LAST)::integer END AS rank
      FROM segmentation.registry_profiled AS v CROSS JOIN LATERAL segmentation.profile_importance(v.profile) AS i;
COMMENT ON VIEW segmentation.feature_importance IS 'How much each column tells the segments apart.';
COMMENT ON COLUMN segmentation.feature_importance.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.feature_importance.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.feature_importance.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.feature_importance.as_of IS 'When it was trained, and so described.';
COMMENT ON COLUMN segmentation.feature_importance.feature IS 'Name of the column.';
COMMENT ON COLUMN segmentation.feature_importance.role IS 'feature (it is clustered by), profile (it describes) or outcome.';
COMMENT ON COLUMN segmentation.feature_importance.explained IS 'Share of its variance that lies between the segments, from 0 to 1, in its own units; of a category Goodman and Kruskal''s tau.';
COMMENT ON COLUMN segmentation.feature_importance.rank IS '1 for the largest share.';

-- One function and no UNION ALL: the planner flattens one at the top of a view, security barrier or not, and a reader's cheap function sees
-- the rows of others (tried on PostgreSQL 15; test/tap/260_rights.t).
CREATE FUNCTION segmentation.evaluation_rows(choice jsonb, model @extschema@.kmeans_model) RETURNS TABLE (k integer, metric text, value double precision, chosen boolean) LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.k, c.metric, c.value, c.chosen FROM segmentation.choice_rows(choice) AS c WHERE choice IS NOT NULL
    UNION ALL
    SELECT i.segments, t.metric, t.value, true
      FROM @extschema@.kmeans_info(model) AS i,
           LATERAL (VALUES ('segments', i.segments::float8), ('inertia', i.inertia), ('explained', i.explained), ('centroid_silhouette', i.silhouette), ('calinski_harabasz', i.calinski_harabasz),
                           ('davies_bouldin', i.davies_bouldin)) AS t(metric, value)
     WHERE choice IS NULL
$$;
COMMENT ON FUNCTION segmentation.evaluation_rows(jsonb, @extschema@.kmeans_model) IS 'Internal: metrics by number of segments.';
CREATE VIEW segmentation.model_evaluation WITH (security_barrier) AS
    SELECT v.model, v.version, v.active AS is_active, v.trained AS as_of, e.k, e.metric, e.value, e.chosen
      FROM segmentation.registry_version AS v JOIN segmentation.registry_visible AS m ON m.name = v.model CROSS JOIN LATERAL segmentation.evaluation_rows(v.choice, v.value) AS e;
COMMENT ON VIEW segmentation.model_evaluation IS 'Metrics by number of segments: of every number that was tried where k was chosen, else of the version itself.';
COMMENT ON COLUMN segmentation.model_evaluation.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.model_evaluation.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.model_evaluation.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.model_evaluation.as_of IS 'When it was trained.';
COMMENT ON COLUMN segmentation.model_evaluation.k IS 'Number of segments.';
COMMENT ON COLUMN segmentation.model_evaluation.metric IS 'Name of the metric: inertia, explained, silhouette (exact), centroid_silhouette, calinski_harabasz, davies_bouldin, bic, gap, evidence, prediction_strength and so on.';
COMMENT ON COLUMN segmentation.model_evaluation.value IS 'Its value.';
COMMENT ON COLUMN segmentation.model_evaluation.chosen IS 'Whether this number of segments was taken.';
