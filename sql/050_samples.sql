-- Generated customers: the same rows everywhere for one seed (test/unit pins their bits), believable, with unknown outcomes.
SELECT count(*), min(customer_id), max(customer_id) FROM segmentation.sample_customers(1000, 1);
SELECT count(*) FROM segmentation.sample_customers(0, 1);
SELECT (SELECT md5(string_agg(c::text, '|')) FROM segmentation.sample_customers(500, 1) AS c) =
       (SELECT md5(string_agg(c::text, '|' ORDER BY customer_id)) FROM segmentation.sample_customers(1000, 1) AS c WHERE customer_id <= 500) AS prefix,
       (SELECT md5(string_agg(c::text, '|')) FROM segmentation.sample_customers(500, 1) AS c) <>
       (SELECT md5(string_agg(c::text, '|')) FROM segmentation.sample_customers(500, 2) AS c) AS seeds_differ;
SELECT bool_and(age BETWEEN 18 AND 75) AS age, bool_and(education BETWEEN 1 AND 5) AS education,
       bool_and(years_employed BETWEEN 0 AND age - 18) AS years, bool_and(income >= 8) AS income,
       bool_and(card_debt > 0 AND other_debt > 0) AS debts,
       bool_and(abs(debt_income_ratio - 100 * (card_debt + other_debt) / income) < 0.0500001) AS ratio,
       count(*) FILTER (WHERE defaulted IS NULL) BETWEEN 1500 AND 2100 AS some_unknown, count(DISTINCT region) AS regions
  FROM segmentation.sample_customers(10000);
SELECT segmentation.sample_customers(-1);
