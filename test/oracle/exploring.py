"""Exploring: the series of the reference analysis, and describe, histogram, correlation, trend and rfm beside numpy and plain Python."""
import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import numpy as np

from study import NAMES, load

SEED = 20261124


def trend(db, by, measures, bins=None, source="customers"):
    return db.rows("SELECT measure, label, low, high, rows, known, mean FROM segmentation.trend(%s, %s, %s, %s)", (source, by, measures, bins))


def test_reference(tally, db):
    reference = load(tally, db, "exploring")
    if reference is None:
        return
    eda = reference["eda"]
    tally.equal("every series of the reference is looked at", sorted(eda), sorted([
        "education_counts", "defaulted_counts", "mean_income_by_education", "mean_by_age", "mean_by_years_employed", "correlation_all_rows"]))
    for column, series in (("Edu", "education_counts"), ("Defaulted", "defaulted_counts")):
        rows = db.rows("SELECT value, rows, share, is_missing FROM segmentation.frequency('customers', %s)", (column,))
        tally.equal(series, {"unknown" if r[3] else r[0]: r[1] for r in rows}, eda[series])
        tally.close(f"{series}: shares", [r[2] for r in rows], [r[1] / 850 for r in rows], 1e-15)
        # The mode comes first, the unknown ones last.
        known = [r[1] for r in rows if not r[3]]
        tally.equal(f"{series}: in order", known, sorted(known, reverse=True))
    for by, series in (("Age", "mean_by_age"), ("Years Employed", "mean_by_years_employed")):
        measures = list(eda[series])
        found = defaultdict(dict)
        for measure, label, low, _, _, _, mean in trend(db, by, measures):
            found[measure][label] = mean
            tally.equal(f"{series}: the label is the value", float(label), low)
        for measure in measures:
            tally.equal(f"{series}: values of {by} for {measure}", set(found[measure]), set(eda[series][measure]))
            keys = list(eda[series][measure])
            tally.close(f"{series}: {measure}", [found[measure][k] for k in keys], [eda[series][measure][k] for k in keys])
    means = {label: mean for _, label, _, _, _, _, mean in trend(db, "Edu", ["Income"])}
    tally.equal("mean_income_by_education: levels", sorted(means), sorted(eda["mean_income_by_education"]))
    tally.close("mean_income_by_education", [means[k] for k in sorted(means)], [eda["mean_income_by_education"][k] for k in sorted(means)])
    rows = db.rows("SELECT column_a, column_b, rows, correlation FROM segmentation.correlation('customers', %s)", (NAMES,))
    tally.equal("correlation: every ordered pair", [(r[0], r[1]) for r in rows], [(a, b) for a in NAMES for b in NAMES])
    tally.equal("correlation: rows", {r[2] for r in rows}, {850})
    tally.close("correlation_all_rows", np.reshape([r[3] for r in rows], (6, 6)), eda["correlation_all_rows"])
    # "Histogram of every column" (ANALYSIS.md, step 1), beside numpy on the same columns.
    for name in NAMES + ["Edu"]:
        values = np.array(db.rows(f'SELECT "{name}"::float8 FROM customers'))[:, 0]
        histogram_agrees(tally, db, f"histogram of {name}", "customers", name, values, 10)


def histogram_agrees(tally, db, what, source, column, values, bins):
    rows = db.rows("SELECT bin, low, high, rows, share FROM segmentation.histogram(%s, %s, %s)", (source, column, bins))
    finite = values[np.isfinite(values)]
    counts, edges = np.histogram(finite, bins)
    inside = [r for r in rows if r[0] is not None]
    tally.equal(f"{what}: bins", [r[0] for r in inside], list(range(1, bins + 1)))
    tally.equal(f"{what}: rows", [r[3] for r in inside], counts.tolist())
    tally.same_bits(f"{what}: low edges", [r[1] for r in inside], edges[:-1])
    tally.same_bits(f"{what}: high edges", [r[2] for r in inside], edges[1:])
    missing = [r[3] for r in rows if r[0] is None]
    tally.equal(f"{what}: missing", missing, [len(values) - len(finite)] if len(finite) < len(values) else [])
    tally.close(f"{what}: shares", [r[4] for r in rows], [r[3] / len(values) for r in rows], 1e-14)


def made_up(db):
    """Table explored (i, a .. f): skewed, far from zero, on a grid, constant, heavy on both sides, with gaps; and its columns."""
    random = np.random.default_rng(SEED)
    n = 7000
    common = random.normal(size=n)
    columns = {
        "a": np.exp(random.normal(size=n) + common), "b": 1e7 + common + random.normal(size=n), "c": random.integers(0, 21, n) / 10,
        "d": np.full(n, 0.1), "e": np.sign(common) * np.exp(2 * np.abs(random.normal(size=n))) + common, "f": random.normal(size=n) * 1e-7,
    }
    for name in "abef":
        columns[name][random.random(n) < 0.05] = np.nan
    columns["a"][:3] = [np.inf, -np.inf, np.nan]
    matrix = np.column_stack(list(columns.values()))
    db.run("DROP VIEW IF EXISTS explored")
    db.load("explored_rows", matrix)
    # Half of the missing values are NULL, half NaN.
    db.run("CREATE VIEW explored AS SELECT i, " + ", ".join(f"CASE WHEN i % 2 = 0 THEN nullif(x[{j + 1}], 'NaN') ELSE x[{j + 1}] END AS {name}"
                                                             for j, name in enumerate(columns)) + " FROM explored_rows")
    return columns


def test_describe(tally, db):
    columns = made_up(db)
    for name, values in columns.items():
        got = db.named("SELECT * FROM segmentation.describe('explored', %s)", ([name],))
        finite = values[np.isfinite(values)]
        tally.equal(f"{name}: counts", (got["rows"], got["missing"], got["distinct_values"], got["zeros"], got["negatives"], got["sampled"]),
                    (len(values), len(values) - len(finite), len(np.unique(finite)), int((finite == 0).sum()), int((finite < 0).sum()), len(values)))
        tally.close(f"{name}: mean", got["mean"], finite.mean(), 1e-13, 1e-20)
        tally.equal(f"{name}: range", (got["min"], got["max"]), (finite.min(), finite.max()))
        # numpy's default interpolation is Hyndman and Fan's type 7.
        tally.close(f"{name}: quartiles", [got["q1"], got["median"], got["q3"]], np.percentile(finite, [25, 50, 75]), 1e-14)
        if name == "d":
            tally.equal("a constant", (got["stddev"], got["skewness"], got["suggested_transform"]), (0, None, "none"))
            continue
        deviations = finite - finite.mean()
        tally.close(f"{name}: stddev", got["stddev"], finite.std(), 1e-9)
        skewness = (deviations ** 3).mean() / finite.std() ** 3
        tally.close(f"{name}: skewness", got["skewness"], skewness, 1e-9, 1e-9)
        want = "log1p" if skewness > 2 and finite.min() > -1 else "asinh" if abs(skewness) > 2 and finite.min() < 0 else "none"
        tally.equal(f"{name}: transform", got["suggested_transform"], want)


def test_histogram(tally, db):
    columns = made_up(db)
    for name, values in columns.items():
        for bins in (1, 2, 7, 10, 100, 1000):
            if name == "b" and bins == 1000:  # no more digits
                continue
            histogram_agrees(tally, db, f"{name} in {bins} bins", "explored", name, values, bins)
    # Values on the edges, where rounding decides.
    for step, count, bins in ((0.1, 11, 10), (0.1, 31, 30), (1 / 3, 13, 12), (0.7, 8, 7), (1e-3, 1001, 100)):
        values = np.arange(count) * step
        db.run("DROP VIEW IF EXISTS edge_values")
        db.load("on_edges", values[:, None])
        db.run("CREATE VIEW edge_values AS SELECT x[1] AS v FROM on_edges")
        histogram_agrees(tally, db, f"{count} values {step:.3g} apart in {bins} bins", "edge_values", "v", values, bins)


def test_correlation(tally, db):
    columns = made_up(db)
    for a, b, rows, correlation in db.rows("SELECT * FROM segmentation.correlation('explored', %s)", (list(columns),)):
        both = np.isfinite(columns[a]) & np.isfinite(columns[b])
        tally.equal(f"rows of {a}, {b}", rows, int(both.sum()))
        if "d" in (a, b):
            tally.equal(f"{a}, {b}: a constant", correlation, None)
        else:
            tally.close(f"{a}, {b}", correlation, np.corrcoef(columns[a][both], columns[b][both])[0, 1], 1e-9, 1e-12)


def test_trend(tally, db):
    columns = made_up(db)
    along = columns["f"]
    edges = np.histogram_bin_edges(along[np.isfinite(along)], 12)
    place = np.where(np.isfinite(along), np.minimum(np.searchsorted(edges, np.where(np.isfinite(along), along, 0), side="right"), 12), 13)
    for measure in ("a", "b", "c"):
        rows = trend(db, "f", [measure], 12, "explored")
        known = np.isfinite(columns[measure])
        tally.equal(f"{measure}: rows", [r[4] for r in rows], [int((place == p).sum()) for p in range(1, 14)])
        tally.equal(f"{measure}: known", [r[5] for r in rows], [int((known & (place == p)).sum()) for p in range(1, 14)])
        for row, p in zip(rows, range(1, 14)):
            here = columns[measure][known & (place == p)]
            if len(here) == 0:
                tally.equal(f"{measure}: no mean in bin {p}", row[6], None)
            else:
                tally.close(f"{measure}: mean in bin {p}", row[6], here.mean())
        tally.same_bits(f"{measure}: edges", [r[2] for r in rows[:12]] + [rows[11][3]], edges)
    counts = Counter(columns["c"].tolist())
    rows = trend(db, "c", ["a"], None, "explored")
    tally.equal("a row per value", [(r[2], r[4]) for r in rows], sorted(counts.items()))


def test_rfm(tally, db):
    random = np.random.default_rng(SEED + 1)
    as_of = datetime(2026, 7, 1, 9, 30, tzinfo=timezone.utc)
    since = datetime(2026, 1, 1, 9, 30, tzinfo=timezone.utc)
    sales = []
    for _ in range(6000):
        at = as_of - timedelta(minutes=int(random.integers(-20_000, 400_000)))
        amount = Decimal(int(random.integers(-2000, 9000))) / 100
        sales.append([f"c{random.integers(0, 400)}" if random.random() > 0.01 else None, at if random.random() > 0.01 else None,
                      amount if random.random() > 0.01 else None])
    sales += [["edge", since, Decimal("1")], ["edge", since + timedelta(microseconds=1), Decimal("2")], ["edge", as_of, Decimal("4")],
              ["edge", as_of + timedelta(microseconds=1), Decimal("8")], ["refunds", as_of, Decimal("-1.10")], ["free", as_of, Decimal(0)]]
    db.run("DROP TABLE IF EXISTS sales; CREATE TABLE sales (who text, at timestamptz, amount numeric)")
    db.cursor.executemany("INSERT INTO sales VALUES (%s, %s, %s)", sales)
    want, left_out = defaultdict(list), 0
    for who, at, amount in sales:
        if at is not None and not since < at <= as_of:
            continue
        if None in (who, at, amount):
            left_out += 1
        else:
            want[who].append((at, amount))
    db.run("SET timezone = 'UTC'")
    db.connection.notices.clear()
    got = {r[0]: r[1:] for r in db.rows("SELECT customer, recency_days, frequency, monetary, average_purchase, refunds, first_purchase, last_purchase "
                                        "FROM segmentation.rfm('sales', 'who', 'at', 'amount', %s, 6)", (as_of,))}
    tally.check("the notice counts what is left out", any(f"{left_out} rows with missing values" in notice for notice in db.connection.notices), str(db.connection.notices))
    tally.equal("customers", set(got), set(want))
    wrong = []
    for who, rows in want.items():
        bought = sorted(r for r in rows if r[1] >= 0)
        expected = ((as_of - bought[-1][0]) / timedelta(days=1) if bought else None, len(bought), float(sum(r[1] for r in rows)),
                    float(sum(r[1] for r in bought)) / len(bought) if bought else None, len(rows) - len(bought),
                    bought[0][0] if bought else None, bought[-1][0] if bought else None)
        exact = (1, 2, 4, 5, 6)
        near = (0, 3)
        if any(got[who][i] != expected[i] for i in exact) or any((got[who][i] is None) != (expected[i] is None) or
                                                                 (expected[i] is not None and abs(got[who][i] - expected[i]) > 1e-9) for i in near):
            wrong.append((who, got[who], expected))
    tally.equal(f"recency, frequency and monetary value of {len(want)} customers", wrong, [])
    tally.check("among them every kind", got["refunds"][:3] == (None, 0, -1.1) and got["free"][:3] == (0, 1, 0) and got["edge"][1] == 2)


def test_frequency(tally, db):
    random = np.random.default_rng(SEED + 2)
    words = [None if w == 9 else f"w{w}" for w in np.minimum(random.geometric(0.3, 5000), 12).tolist()]
    db.run("DROP TABLE IF EXISTS words; CREATE TABLE words (w text); INSERT INTO words SELECT jsonb_array_elements_text(%s::jsonb)", (json.dumps(words),))
    counts = Counter(w for w in words if w is not None)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    missing = words.count(None)
    for top in (None, 1, 4, len(order), len(order) + 5):
        rows = db.rows("SELECT value, rows, is_missing, is_other FROM segmentation.frequency('words', 'w', %s)", (top,))
        others = sum(rows_of for _, rows_of in order[top:]) if top is not None else 0
        want = [(w, c, False, False) for w, c in order[:top]] + ([("(other)", others, False, True)] if others else []) + [(None, missing, True, False)]
        tally.equal(f"top {top}", rows, want)
