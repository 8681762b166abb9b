-- Rules for the card customers of the reference study (shared/reference/ANALYSIS.md): its recommendations, by what made it give them. They
-- belong to a model "cards" trained on the study's table, as test/oracle/profiles.py does it; the tutorial has rules for the generated customers.
--
-- The study gave the first group to its segment 0 and the second one to its segment 1, by their numbers. Here the segments' levels decide, so
-- that the rules still mean the same when a retraining finds other segments. It also called segment 1 the riskier one because it owes more;
-- measured from outcomes it is segment 0 (segmentation.segment_risk), and a rule about risk would say so: {"risk": "higher"}.
INSERT INTO segmentation.recommendation_rule (model, priority, product, conditions, rationale) VALUES
    ('cards', 10, 'savings and investments', '{"levels": {"Card Debt": ["low", "typical"], "Other Debt": ["low", "typical"]}}', 'owes no more than others, so what is left can be saved'),
    ('cards', 11, 'mutual funds', '{"levels": {"Card Debt": ["low", "typical"], "Other Debt": ["low", "typical"], "Age": ["low", "typical"]}}', 'has time to let small sums grow'),
    ('cards', 12, 'low-interest credit', '{"levels": {"Card Debt": ["low", "typical"], "Income": ["low", "typical"]}}', 'earns little and owes little: a cheap credit is bearable'),
    ('cards', 20, 'debt management', '{"levels": {"Card Debt": "high"}}', 'owes more on cards than others'),
    ('cards', 21, 'debt consolidation', '{"levels": {"Card Debt": "high", "Other Debt": "high"}}', 'owes in several places'),
    ('cards', 22, 'income-protection insurance', '{"levels": {"Income": "high", "Other Debt": "high"}}', 'pays its debts from a high income, which could be lost'),
    ('cards', 23, 'financial education', '{"levels": {"Other Debt": "high"}}', 'knows many products'),
    ('cards', 24, 'investment to repay debt', '{"levels": {"Income": "high", "Card Debt": "high"}}', 'earns enough to pay back ahead of time');
