#!/usr/bin/env bash
# Makes the tutorial's pictures anew: its statements in a throwaway server, two queries, Vega-Lite (npm). After scripts/demo.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
packages=../../build/node
[ -e $packages/node_modules/vega-lite ] || npm install --prefix $packages --no-audit --no-fund --silent vega@5 vega-lite@5
export NODE_PATH=$PWD/$packages/node_modules

if [ -z "${IN_SERVER:-}" ]; then
    IN_SERVER=yes exec pg_virtualenv -t "$PWD/make.sh"
fi
# The statements up to the pictures; what they print does not matter here.
sed -n '/^## 6/q; /^```sql/,/^```$/p' ../tutorial.md | grep -v '^```' | psql -Xq >/dev/null
psql -XAtq <<'SQL' | node render.js heatmap.vl.json >heatmap.svg
SELECT json_agg(p) FROM (SELECT segment, segment_label, feature, relative, mean FROM segmentation.segment_profile
    WHERE model = 'cards' AND is_active AND kind = 'number' AND role <> 'outcome') AS p;
SQL
psql -XAtq <<'SQL' | node render.js scatter.vl.json >scatter.svg
SELECT json_agg(t) FROM (
    SELECT round(score[1]::numeric, 3) AS x, round(score[2]::numeric, 3) AS y, segment_label
      FROM (SELECT pca(ARRAY[age, years_employed, ln(1 + income), debt_income_ratio], '{"scale": "zscore", "components": 2}') AS axes FROM customers) AS p,
           customers AS c CROSS JOIN LATERAL pca_transform(axes, ARRAY[age, years_employed, ln(1 + income), debt_income_ratio]) AS score
      JOIN segmentation.segments AS s ON s.model = 'cards' AND s.is_active AND s.segment = kmeans_assign('cards', c)
     WHERE c.customer_id % 10 = 0 ORDER BY c.customer_id) AS t;
SQL
