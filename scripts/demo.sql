-- The demo, statement by statement; scripts/demo.sh runs it in a throwaway database. In a database of your own:
-- psql -f scripts/demo.sql (it creates the tables customers and model and the view segmented).
\set QUIET on
\set ON_ERROR_STOP on
\pset footer off
\pset pager off
\pset null '-'
\set ECHO queries

\echo
\echo '== 1. Fifty thousand made-up card customers ===================================================='
\echo '   Income and debts in thousands, debt_income_ratio in percent; defaulted is empty where it is not'
\echo '   known yet. The same rows on every machine.'
\echo
CREATE EXTENSION segmentation;
CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(50000, 1);
\echo
SELECT customer_id, age, years_employed AS employed, income, card_debt, other_debt, debt_income_ratio, defaulted
FROM customers ORDER BY customer_id LIMIT 5;

\echo
\echo '== 2. Train: one aggregate, one scan =========================================================='
\echo '   zscore gives every column the same say, whatever its unit. A NOTICE says what is worth knowing'
\echo '   about the data; it is kept in the model.'
\echo
\timing on
CREATE TABLE model AS
SELECT kmeans(ARRAY[age, years_employed, income, card_debt, other_debt, debt_income_ratio], 4,
              '{"scale": "zscore", "seed": 1,
                "features": ["age", "years_employed", "income", "card_debt", "other_debt", "debt_income_ratio"]}') AS model
FROM customers;
\timing off

\echo
\echo '== 3. Who is in the segments =================================================================='
\echo '   Columns are found by their names: pass the row. default % is among the known outcomes; the'
\echo '   training has not seen it.'
\echo
CREATE VIEW segmented AS
SELECT c.*, kmeans_assign(model, c) AS segment FROM customers c, model;
\echo
SELECT coalesce(segment::text, 'all') AS segment,
       count(*) AS customers,
       round(100.0 * count(*) / (SELECT count(*) FROM customers), 1) AS "share %",
       round(avg(age), 1) AS age,
       round(avg(years_employed), 1) AS employed,
       round(avg(income)::numeric, 1) AS income,
       round(avg(card_debt)::numeric, 1) AS "card debt",
       round(avg(other_debt)::numeric, 1) AS "other debt",
       round(avg(debt_income_ratio)::numeric, 1) AS "ratio %",
       round(100 * avg(defaulted::int), 1) AS "default %"
FROM segmented GROUP BY ROLLUP (segment) ORDER BY segmented.segment;
\echo '   Read it as: 0 the settled, 1 the young, 2 the indebted (six in ten of them default), 3 the well-off.'

\echo
\echo '== 4. Score single customers =================================================================='
\echo '   distance is to the centre of the own segment, in standard deviations; borderline customers'
\echo '   could as well be in the runner-up.'
\echo
SELECT customer_id, segment, round(distance::numeric, 2) AS distance,
       runner_up, round(runner_up_distance::numeric, 2) AS its_distance, borderline
FROM customers c, model, kmeans_score(model, c)
ORDER BY customer_id LIMIT 8;

\echo
\echo '== 5. Why is customer 5 in its segment? ======================================================='
\echo '   Largest reason first: how much closer each feature is to this segment than to the runner-up,'
\echo '   segment 2. A negative contribution speaks for segment 2.'
\echo
SELECT feature, round(value::numeric, 1) AS value, round(centroid::numeric, 1) AS segment_centre,
       round(contribution::numeric, 2) AS contribution
FROM customers c, model, kmeans_explain(model, c)
WHERE customer_id = 5;

\echo
\echo '== 6. The model in figures ===================================================================='
\echo '   explained is the share of the variance that lies between segments; silhouette runs from 0 (on'
\echo '   the border) to 1 (in the centre).'
\echo
\pset expanded on
SELECT segments, rows, skipped, iterations, seed, exact,
       round(inertia::numeric) AS inertia,
       round(explained::numeric, 3) AS explained,
       round(silhouette::numeric, 3) AS silhouette,
       round(calinski_harabasz::numeric) AS calinski_harabasz,
       round(davies_bouldin::numeric, 3) AS davies_bouldin
FROM model, kmeans_info(model);
\pset expanded off

\echo
\echo '== 7. Was four a good choice? ================================================================='
\echo '   A model for every k in one statement. The higher silhouette and calinski_harabasz and the lower'
\echo '   davies_bouldin, the better.'
\echo
\set ECHO none
SET client_min_messages = warning;
\set ECHO queries
WITH candidate AS (
    SELECT k, kmeans(ARRAY[age, years_employed, income, card_debt, other_debt, debt_income_ratio], k,
                     '{"scale": "zscore", "seed": 1}') AS model
    FROM customers, generate_series(2, 6) AS k GROUP BY k)
SELECT candidate.k, round(explained::numeric, 3) AS explained, round(silhouette::numeric, 3) AS silhouette,
       round(calinski_harabasz::numeric) AS calinski_harabasz, round(davies_bouldin::numeric, 3) AS davies_bouldin
FROM candidate, kmeans_info(model) ORDER BY candidate.k;
\echo '   Four is the best by all three.'
\echo
