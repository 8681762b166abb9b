"""Profiles: the study's segments from the raw table to the recommendation, and every view beside numpy, plain Python and R."""
import json
import os
import subprocess

import numpy as np

from harness import ROOT
from study import NAMES, load

SEED = 20261130
LOF = {"scale": "minmax", "outliers": {"method": "lof", "neighbors": 20, "contamination": 0.05}}


def table(db, view, columns, where):
    return db.rows(f"SELECT {columns} FROM segmentation.{view} WHERE {where} ORDER BY 1, 2")


# ---- the study -----------------------------------------------------------------------------------------------------

def test_study(tally, db):
    reference = load(tally, db, "test_study")
    if reference is None:
        return
    expected = reference["kmeans_k2"]
    db.run("SELECT segmentation.train('cards', 'customers', %s, 2, profile => ARRAY['Edu'], outcome => 'Defaulted', options => %s)", (NAMES, json.dumps(LOF)))
    found = {(f, s): (mean, relative, level, customers) for f, s, mean, relative, level, customers in
             table(db, "segment_profile", "feature, segment, mean, relative, level, customers", "model = 'cards' AND is_active AND role = 'feature'")}
    tally.equal("features by segments", sorted(found), sorted((f, s) for f in NAMES for s in (0, 1)))
    tally.close("means", [[found[f, s][0] for f in NAMES] for s in (0, 1)], [[expected["mean"][str(s)][f] for f in NAMES] for s in (0, 1)])
    tally.equal("relative: all 0 and all 1", [{found[f, s][1] for f in NAMES} for s in (0, 1)], [{0.0}, {1.0}])  # ANALYSIS.md, step 6
    tally.equal("sizes", [found["Age", s][3] for s in (0, 1)], expected["sizes"])
    tally.equal("the ratio is typical in both", [found["DebtIncomeRatio", s][2] for s in (0, 1)], ["typical", "typical"])  # the issue, line 1
    # Only the rows that were trained on.
    kept = np.array(db.rows('SELECT "Age"::float8, "Income"::float8, kmeans_assign(\'cards\', c) FROM kept AS c'))
    for column, name in ((0, "Age"), (1, "Income")):
        for s in (0, 1):
            values = kept[kept[:, 2] == s, column]
            row = db.row("SELECT stddev, min, q1, median, q3, max FROM segmentation.segment_profile WHERE model = 'cards' AND feature = %s AND segment = %s", (name, s))
            tally.close(f"{name} in segment {s}", row, [values.std(), *np.quantile(values, [0, 0.25, 0.5, 0.75, 1])])
    risk = table(db, "segment_risk", "segment, events, known, unknown, customers, difference, difference_low, difference_high, verdict, rate", "model = 'cards' AND is_active")
    tally.equal("default rates", [r[1:3] for r in risk], [(125, 454), (38, 213)])  # ANALYSIS.md, "what went wrong there"
    tally.equal("as in the reference", [r[1:3] for r in risk], [(expected["defaulted"][s]["defaulted"], expected["defaulted"][s]["known"]) for s in "01"])
    tally.equal("unknown ones are not customers who did not default", [r[3] for r in risk], [540 - 454, 267 - 213])
    tally.close("their rates", [r[9] for r in risk], [125 / 454, 38 / 213], 1e-15)
    # The issue, line 1: +9.7 points (2.8 to 15.9), and segment 0 is the riskier one.
    tally.equal("difference in points", [round(100 * x, 1) for x in risk[0][5:8]], [9.7, 2.8, 15.9])
    tally.equal("verdicts", [r[8] for r in risk], ["higher", "lower"])
    # Step 8: the recommendations.
    with open(os.path.join(ROOT, "docs", "card_customers_rules.sql"), encoding="utf-8") as file:
        db.run(file.read())
    products = table(db, "segment_recommendation", "segment, place, product", "model = 'cards' AND is_active")
    tally.equal("products of segment 0", [p for s, _, p in products if s == 0], ["savings and investments", "mutual funds", "low-interest credit"])
    tally.equal("products of segment 1", [p for s, _, p in products if s == 1],
                ["debt management", "debt consolidation", "income-protection insurance", "financial education", "investment to repay debt"])
    # Step 9: one customer, in a form: the raw values, no scaler anywhere.
    scored = db.rows("""SELECT r.segment, r.product FROM segmentation.recommend('cards', %s::jsonb) AS r""",
                     (json.dumps({"Age": 45, "Years Employed": 20, "Income": 90, "Card Debt": 3, "Other Debt": 6, "DebtIncomeRatio": 10}),))
    tally.equal("a customer like those of segment 1", scored, [(1, p) for s, _, p in products if s == 1])
    for customer in (1, 2, 400, 850):
        tally.equal(f"customer {customer}, by row and by JSON", db.rows("""SELECT r.* FROM customers AS c, segmentation.recommend('cards', c) AS r WHERE "Customer Id" = %s""", (customer,)),
                    db.rows("""SELECT r.* FROM customers AS c, segmentation.recommend('cards', to_jsonb(c)) AS r WHERE "Customer Id" = %s""", (customer,)))
    # Another training: another LOF left-out set is not what the profile is of.
    tally.equal("profiled rows", db.one("SELECT sum(customers) FROM segmentation.segment_summary WHERE model = 'cards'"), reference["outliers"]["kept"])


# ---- everything beside numpy ---------------------------------------------------------------------------------------

def population(db, rows, seed):
    """Table people: three numbers, one of them with gaps, two categories, a weight, an outcome that is not always known."""
    rng = np.random.default_rng(seed)
    group = rng.choice(4, rows, p=[0.5, 0.3, 0.19, 0.01])
    age = np.round(30 + 8 * group + rng.normal(0, 3, rows))
    income = np.round(np.exp(3 + 0.3 * group + rng.normal(0, 0.5, rows)), 2)
    debt = np.round(rng.gamma(2, 1 + group), 3)
    debt_known = rng.random(rows) > 0.1
    region = rng.choice(["north", "south", "it's", 'a "b"'], rows, p=[0.4, 0.3, 0.2, 0.1])
    region[(group == 2) & (rng.random(rows) < 0.5)] = "north"
    region_known = rng.random(rows) > 0.05
    weight = rng.integers(1, 4, rows)
    outcome = rng.random(rows) < 0.1 + 0.1 * group
    outcome_known = rng.random(rows) > 0.2
    db.run("DROP TABLE IF EXISTS people CASCADE")
    db.run("""CREATE TABLE people (id int PRIMARY KEY, age int, income numeric, "the debt" float8, region text, weight int, bad boolean)""")
    lines = "\n".join(f"{i}\t{int(age[i])}\t{income[i]}\t{debt[i] if debt_known[i] else chr(92) + 'N'}\t{region[i] if region_known[i] else chr(92) + 'N'}\t{weight[i]}\t"
                      f"{('t' if outcome[i] else 'f') if outcome_known[i] else chr(92) + 'N'}" for i in range(rows))
    import io
    db.cursor.copy_expert("COPY people FROM STDIN", io.StringIO(lines))
    return {"age": age, "income": income, "the debt": np.where(debt_known, debt, np.nan), "region": np.where(region_known, region, None), "weight": weight.astype(float),
            "bad": np.where(outcome_known, outcome.astype(float), np.nan)}


def weighted(values, weights):
    mean = np.average(values, weights=weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, weights=weights))


def check_profile(tally, db, name, data, weights, segments, q_tolerance):
    """Every statistic of segment_profile for the numbers, every share of the category, importance."""
    view = {(f, s): dict(zip(("mean", "stddev", "min", "q1", "median", "q3", "max", "population_mean", "population_stddev", "index_100", "z_score", "relative", "level", "customers", "missing"), rest))
            for f, s, *rest in db.rows("""SELECT feature, segment, mean, stddev, min, q1, median, q3, max, population_mean, population_stddev, index_100, z_score, relative, level, customers, missing
                                          FROM segmentation.segment_profile WHERE model = %s AND is_active""", (name,))}
    importance = dict(db.rows("SELECT feature, explained FROM segmentation.feature_importance WHERE model = %s AND is_active", (name,)))
    ids = sorted({s for _, s in view})
    columns = {f: data[f] for f in ("age", "income", "the debt", "bad")}
    for level in sorted({v for v in data["region"] if v is not None}):
        columns[f"region={level}"] = np.array([np.nan if v is None else float(v == level) for v in data["region"]])
    tally.equal(f"{name}: columns", {f for f, _ in view}, set(columns))
    tau_between = tau_total = 0
    for feature, values in columns.items():
        exact = not feature.startswith("region=") or q_tolerance == 0
        known = ~np.isnan(values) & (segments >= 0)
        mean_all, deviation_all = weighted(values[known], weights[known])
        means = {s: weighted(values[known & (segments == s)], weights[known & (segments == s)]) for s in ids if (known & (segments == s)).sum() >= 10}
        between = sum(weights[known & (segments == s)].sum() * (means[s][0] - mean_all) ** 2 for s in means)
        share = between / (weights[known].sum() * deviation_all ** 2)
        if not feature.startswith("region="):
            tally.close(f"{name}: importance of {feature}", importance[feature], share)
        else:
            tau_between += share * mean_all * (1 - mean_all)
            tau_total += mean_all * (1 - mean_all)
        low, high = min(m for m, _ in means.values()), max(m for m, _ in means.values())
        for s in ids:
            here = known & (segments == s)
            row, where = view[feature, s], f"{name}: {feature} in {s}"
            mean, deviation = means[s]
            z = (mean - mean_all) / deviation_all
            wanted = {"mean": mean, "stddev": deviation, "population_mean": mean_all, "population_stddev": deviation_all, "index_100": 100 * mean / mean_all, "z_score": z, "relative": (mean - low) / (high - low)}
            if exact:
                tally.close(where, [row[k] for k in wanted], list(wanted.values()), 1e-9, 1e-12)
                tally.equal(f"{where}: level", row["level"], "high" if z >= 0.5 else "low" if z <= -0.5 else "typical")
                tally.equal(f"{where}: counts", (row["customers"], row["missing"]), (here.sum(), ((segments == s) & ~known).sum()))
            else:
                tally.close(where, [row["mean"], row["population_mean"]], [mean, mean_all], 0, q_tolerance)
            if feature.startswith("region="):
                tally.equal(f"{where}: no quantiles of a share", [row[k] for k in ("min", "q1", "median", "q3", "max")], [None] * 5)
                continue
            repeated = np.repeat(values[here], weights[here].astype(int))
            tally.equal(f"{where}: range", (row["min"], row["max"]), (repeated.min(), repeated.max()))
            for q, key in ((0.25, "q1"), (0.5, "median"), (0.75, "q3")):
                if q_tolerance == 0:
                    tally.close(f"{where}: {key}", row[key], np.quantile(repeated, q))
                else:  # the sample's quantile is the population's of a level nearby
                    tally.check(f"{where}: {key}", np.quantile(repeated, max(0, q - q_tolerance)) <= row[key] <= np.quantile(repeated, min(1, q + q_tolerance)), row[key])
    if q_tolerance == 0:
        tally.close(f"{name}: importance of region (Goodman and Kruskal's tau)", importance["region"], tau_between / tau_total)


def train_people(db, name, weight=None):
    db.run("""SELECT segmentation.train(%s, 'people', ARRAY['age', 'income'], 4, prepare => '{"income": {"transform": "log1p"}}', profile => ARRAY['the debt', 'region', 'age'], outcome => 'bad',
              weight => %s)""", (name, weight))
    return np.array(db.rows("SELECT coalesce(kmeans_assign(%s, p), -1) FROM people AS p ORDER BY id", (name,)))[:, 0]


def test_every_statistic(tally, db):
    data = population(db, 5000, SEED)
    segments = train_people(db, "plain")
    tally.equal("all of them", db.one("SELECT bool_and(is_exact) FROM segmentation.segment_profile WHERE model = 'plain'"), True)
    check_profile(tally, db, "plain", data, np.ones(5000), segments, 0)
    segments = train_people(db, "weighted", "weight")
    check_profile(tally, db, "weighted", data, data["weight"], segments, 0)


def test_many_rows(tally, db):
    """More rows than are sampled: what is exact stays so; a group of 1 % is in the sample as a whole."""
    rows = 300_000
    data = population(db, rows, SEED + 1)
    segments = train_people(db, "many")
    tally.equal("a sample", db.one("SELECT bool_or(is_exact) FROM segmentation.segment_profile WHERE model = 'many'"), False)
    sizes = np.bincount(segments)
    sampled = [n for n, in db.rows("SELECT (s ->> 'sampled')::int FROM segmentation.registry_version AS v, jsonb_array_elements(v.profile -> 'segments') WITH ORDINALITY AS s(s, place) WHERE model = 'many' ORDER BY place")]
    tally.at_most("sampled rows", sum(sampled), 100_000)
    tally.check("of all segments as many, of small ones all", all(n == min(size, max(sampled)) for n, size in zip(sampled, sizes)), f"{sampled} of {list(sizes)}")
    # Five standard errors of a quantile's level in the smallest of the samples that are not whole.
    check_profile(tally, db, "many", data, np.ones(rows), segments, 5 * np.sqrt(0.25 / min(n for n, size in zip(sampled, sizes) if n < size)))
    # The same whatever the plan, and whatever the order of the rows.
    profiles = []
    for settings in ("SET max_parallel_workers_per_gather = 0", "SET max_parallel_workers_per_gather = 4; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
                     "CREATE TABLE shuffled AS SELECT * FROM people ORDER BY md5(id::text); DROP TABLE people; ALTER TABLE shuffled RENAME TO people; ALTER TABLE people ADD PRIMARY KEY (id)"):
        db.run(settings)
        train_people(db, "many")
        profiles.append(db.one("SELECT profile::text FROM segmentation.registry_version WHERE model = 'many' ORDER BY version DESC LIMIT 1"))
    tally.check("the same in every plan", profiles[0] == profiles[1])
    tally.check("and every order", profiles[0] == profiles[2])
    db.run("RESET ALL")


# ---- risk beside R -------------------------------------------------------------------------------------------------

def test_risk(tally, db):
    """Wilson's intervals are R's prop.test, its p-values and p.adjust's "holm"; Newcombe's interval by its definition from R's limits."""
    rng = np.random.default_rng(SEED)
    for case in range(12):
        k = int(rng.integers(2, 9))
        known = rng.integers(30, 2000, k)
        events = rng.binomial(known, rng.uniform(0.02, 0.6) + 0.1 * rng.random(k))
        rest_known, rest_events = known.sum() - known, events.sum() - events
        script = f"""
            n <- c({','.join(map(str, known))}); x <- c({','.join(map(str, events))}); N <- sum(n) - n; X <- sum(x) - x
            w <- function(x, n) prop.test(x, n, correct = FALSE)$conf.int
            p <- sapply(seq_along(n), function(i) suppressWarnings(prop.test(c(x[i], X[i]), c(n[i], N[i]), correct = FALSE)$p.value))
            for (i in seq_along(n)) cat(sprintf("%.17g", c(w(x[i], n[i]), w(X[i], N[i]), p[i], p.adjust(p, "holm")[i])), "\n")"""
        answer = subprocess.run(["Rscript", "--vanilla", "-e", script], capture_output=True, text=True, check=True).stdout
        oracle = np.array([[float(v) for v in line.split()] for line in answer.strip().splitlines()])
        rows = np.array(db.rows("SELECT rate, rate_low, rate_high, rest_rate, difference, difference_low, difference_high, p, p_corrected FROM segmentation.compare_risks(%s, %s) ORDER BY place",
                                (known.tolist(), events.tolist())))
        rate, rest = events / known, rest_events / rest_known
        low, high, rest_low, rest_high = oracle[:, :4].T
        tally.close(f"case {case}: rates", rows[:, [0, 3, 4]], np.column_stack([rate, rest, rate - rest]), 1e-12, 1e-15)
        tally.close(f"case {case}: Wilson", rows[:, 1:3], oracle[:, :2])
        tally.close(f"case {case}: Newcombe", rows[:, 5:7], np.column_stack([rate - rest - np.hypot(rate - low, rest_high - rest), rate - rest + np.hypot(high - rate, rest - rest_low)]))
        tally.close(f"case {case}: p and Holm", rows[:, 7:], oracle[:, 4:], 1e-8, 1e-300)
        verdicts = [v for v, in db.rows("SELECT verdict FROM segmentation.compare_risks(%s, %s) ORDER BY place", (known.tolist(), events.tolist()))]
        tally.equal(f"case {case}: verdicts", verdicts, ["not distinguishable" if p >= 0.05 else "higher" if a > b else "lower" for p, a, b in zip(oracle[:, 5], rate, rest)])


# ---- trends --------------------------------------------------------------------------------------------------------

def test_trend(tally, db):
    data = population(db, 5000, SEED + 2)
    segments = train_people(db, "trends")
    rows = db.rows("SELECT segment, along, bin, bin_label, low, high, feature, customers, mean FROM segmentation.segment_trend WHERE model = 'trends' AND is_active")
    numbers = ["age", "income", "the debt"]
    tally.equal("each along each other", {(r[1], r[6]) for r in rows}, {(a, f) for a in numbers for f in numbers + ["bad"] if a != f})
    for along in numbers:
        bins = sorted({(r[2], r[3], r[4], r[5]) for r in rows if r[1] == along})
        tally.equal(f"along {along}: numbered from 1", [b[0] for b in bins], list(range(1, len(bins) + 1)))
        covered = 0
        for number, label, low, high in bins:
            values = data[along]
            last = not any(b[0] > number and b[2] is not None for b in bins)
            inside = np.isnan(values) if low is None else (values == low if low == high else (values >= low) & ((values <= high) if last else (values < high)))
            covered += inside.sum()
            tally.equal(f"along {along}: the label of {label}", label, "(missing)" if low is None else f"{low:g}" if low == high else label)
            for s in range(4):
                here = inside & (segments == s)
                for feature in numbers + ["bad"]:
                    if feature == along:
                        continue
                    got = [r for r in rows if r[:3] == (s, along, number) and r[6] == feature]
                    tally.equal(f"{feature} along {along}, {label}, {s}: one row of customers", [r[7] for r in got], [None if 1 <= here.sum() <= 9 else here.sum()])
                    known = data[feature][here & ~np.isnan(data[feature])]
                    if len(known) < 10:
                        tally.equal(f"{feature} along {along}, {label}, {s}: too few", got[0][8], None)
                    else:
                        tally.close(f"{feature} along {along}, {label}, {s}: mean", got[0][8], known.mean())
        tally.equal(f"along {along}: nobody is lost", covered, 5000)
