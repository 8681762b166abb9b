"""What training by name, surveys, the matching of segments and schedules say, against scipy, numpy, scikit-learn and plain Python."""
import datetime
import io
import json
import random

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2_contingency
from sklearn.cluster import KMeans
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness import squares_to

# ---- matching ---------------------------------------------------------------------------------------------------------


def match(db, rows):
    olds, news = [3 * i + 1 for i in range(rows.shape[0])], [100 - j for j in range(rows.shape[1])]
    return olds, news, db.one("SELECT segmentation.match_segments(%s::int[], %s::int[], %s::float8[])", (olds, news, rows.ravel().tolist()))


def test_matching(tally, db):
    rng = np.random.default_rng(1)
    continued = fresh = 0
    for trial in range(60):
        shape = rng.integers(1, 9, size=2)
        rows = rng.integers(0, 3000, size=shape) * (rng.random(shape) < 0.5)
        rows[rng.integers(shape[0]), rng.integers(shape[1])] += 5000  # never empty
        if trial % 2:  # mostly the same segments under other names
            for i, j in zip(range(shape[0]), rng.permutation(shape[1])):
                rows[i, j] += 4000
        olds, news, said = match(db, rows.astype(float))
        where = f"match {trial}: {shape[0]} x {shape[1]}"
        # Gains are large random numbers, so that one assignment alone is the best.
        best = dict((j, i) for i, j in zip(*linear_sum_assignment(rows, maximize=True)))
        want = []
        for j, new in enumerate(news):
            common = rows[best[j], j] if j in best else 0
            counts = j in best and (2 * common > rows[best[j]].sum() or 2 * common > rows[:, j].sum())
            continued, fresh = continued + counts, fresh + (not counts)
            either = rows[best[j]].sum() + rows[:, j].sum() - common if counts else 1
            want.append((new, olds[best[j]] if counts else None, common / either if counts else None))
        got = [(s["segment"], s["continues"], s["jaccard"]) for s in said["segments"]]
        tally.equal(f"{where}: who continues whom", [g[:2] for g in got], [w[:2] for w in want])
        if any(w[2] is not None for w in want):
            tally.close(f"{where}: Jaccard", [g[2] for g in got if g[2] is not None], [w[2] for w in want if w[2] is not None], 1e-14)
        old_labels = np.repeat(np.indices(shape)[0].ravel(), rows.ravel())
        new_labels = np.repeat(np.indices(shape)[1].ravel(), rows.ravel())
        tally.close(f"{where}: adjusted Rand index", said["adjusted_rand_index"], adjusted_rand_score(old_labels, new_labels), 1e-11, 1e-12)
    tally.check("match: both outcomes occur", min(continued, fresh) > 50, f"{continued} and {fresh}")


# ---- surveys ----------------------------------------------------------------------------------------------------------

QUANTILES = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.99, 1]


def load(db, table, columns):
    """Table (i int, ...) of columns by name; None is NULL."""
    kinds = {name: "text" if any(isinstance(v, str) for v in values) else "float8" for name, values in columns.items()}
    definitions = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    db.run(f"DROP TABLE IF EXISTS {table} CASCADE; CREATE TABLE {table} (i int PRIMARY KEY, {definitions})")
    text = io.StringIO()
    for i, values in enumerate(zip(*columns.values())):
        text.write("\t".join([str(i)] + ["\\N" if v is None else v if isinstance(v, str) else repr(float(v)) for v in values]) + "\n")
    text.seek(0)
    db.cursor.copy_expert(f"COPY {table} FROM STDIN", text)
    db.run(f"ANALYZE {table}")


def survey(db, table, numbers, categories, baseline=None, transform="none", weight="1"):
    request = {"numbers": [{"name": n, "transform": transform} for n in numbers], "categories": [{"name": c} for c in categories],
               "quantiles": QUANTILES, "baseline": baseline}
    return db.one(f"""SELECT segmentation.survey(i, {weight}::float8, ARRAY[{', '.join(numbers)}]::float8[],
                                                 ARRAY[{', '.join(categories)}]::text[], %s) FROM {table}""", (json.dumps(request),))


def moments(values, weights=None):
    """Mean, standard deviation and skewness by their definitions."""
    mean = np.average(values, weights=weights)
    variance = np.average((values - mean) ** 2, weights=weights)
    return mean, np.sqrt(variance), np.average((values - mean) ** 3, weights=weights) / variance ** 1.5


def pooled(table):
    """Bins where fewer than five are expected on either side are one bin, which joins the smallest where it is too small itself."""
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    bins, rest = table[:, expected >= 5], table[:, expected < 5].sum(axis=1)
    if rest.sum() * table.sum(axis=1).min() / table.sum() >= 5 or bins.shape[1] == 0:
        return np.column_stack([bins, rest])
    bins[:, bins.sum(axis=0).argmin()] += rest
    return bins


def check_drift(tally, where, before, now):
    drift = now["drift"]
    counts = pooled(np.array([before["counts"], drift["counts"]]))
    if counts.shape[1] < 2:
        tally.equal(f"{where}: nothing to compare", (drift["degrees"], drift["p"]), (0, 1))
        return
    statistic, p, degrees, _ = chi2_contingency(counts, correction=False)
    tally.equal(f"{where}: degrees", drift["degrees"], degrees)
    tally.close(f"{where}: chi-square", drift["chi_square"], statistic, 1e-11, 1e-12)
    tally.close(f"{where}: p", drift["p"], p, 1e-9, 1e-300)


def test_surveys(tally, db):
    rng = np.random.default_rng(2)
    names = ["a", "b", "c"]
    baseline = None
    for trial in range(12):
        n = int(rng.integers(50, 3000))
        shift = (trial // 2) * 0.1
        a = rng.normal(shift, 1 + shift, size=n)
        b = np.exp(rng.normal(3, 1 + shift / 2, size=n)) * (rng.random(n) < 0.7)
        c = rng.integers(0, 30, size=n) - 3.0
        missing = rng.random(n) < 0.1 + shift / 5
        weights = rng.choice([0.5, 1, 2, 3.25], size=n)
        level = rng.choice(["app", "shop", "web", "fax", "ü€"], p=[0.4 - shift / 5, 0.3 + shift / 5, 0.2, 0.09, 0.01], size=n)
        load(db, "surveyed", {"a": a, "b": np.where(missing, np.nan, b), "c": c, "w": weights,
                              "d": [None if m else str(v) for m, v in zip(missing, level)]})
        for transform, function in (("none", lambda x: x), ("asinh", np.arcsinh)):
            said = survey(db, "surveyed", names, ["d"], baseline, transform)
            tally.equal(f"survey {trial}: rows", (said["rows"], said["sampled"], said["ignored"]), (n, n, 0))
            for name, values, item in zip(names, (a, b[~missing], c), said["numbers"]):
                where = f"survey {trial} {transform} {name}"
                tally.close(f"{where}: quantiles", item["quantiles"], np.percentile(values, np.array(QUANTILES) * 100), 1e-11, 1e-12)
                tally.close(f"{where}: moments", [item[key] for key in ("mean", "stddev", "skewness")], moments(values), 1e-9, 1e-10)
                after = moments(function(values))
                tally.close(f"{where}: after the transform", [item["transformed_mean"], item["transformed_stddev"]], after[:2], 1e-9, 1e-11)
                tally.equal(f"{where}: range", (item["low"], item["high"]), (values.min(), values.max()))
                counted = [item[key] for key in ("missing", "zeros", "negatives", "distinct")] + [sum(item["counts"])]
                tally.equal(f"{where}: counts", counted, [n - len(values), (values == 0).sum(), (values < 0).sum(), len(set(values)), n])
                edges, spikes = np.array(item["edges"]), item["spikes"]
                others = values[~np.isin(values, spikes)]
                bins = np.bincount(np.searchsorted(edges, others), minlength=len(edges) + 1)  # the value at an edge belongs below it
                tally.equal(f"{where}: bins", item["counts"], [n - len(values)] + [(values == s).sum() for s in spikes] + bins.tolist())
                frequent = [v for v, count in zip(*np.unique(values, return_counts=True)) if count > 1 and
                            count >= 0.05 * len(values) + 2 * np.sqrt(0.05 * 0.95 * len(values))]
                tally.equal(f"{where}: spikes", spikes, frequent)
                if baseline is not None:
                    check_drift(tally, where, baseline["numbers"][names.index(name)], item)
            item = said["categories"][0]
            present = level[~missing]
            frequencies = {v: int((present == v).sum()) for v in set(present)}
            ranked = sorted(frequencies, key=lambda v: (-frequencies[v], v.encode()))
            tally.equal(f"survey {trial}: levels", item["levels"], ranked)
            tally.equal(f"survey {trial}: rows of levels", item["counts"], [missing.sum()] + [frequencies[v] for v in ranked] + [0])
            if baseline is not None:
                check_drift(tally, f"survey {trial} d", baseline["categories"][0], item)
        item = survey(db, "surveyed", ["a"], [], weight="w")["numbers"][0]
        got = [item[key] for key in ("mean", "stddev", "skewness")]
        tally.close(f"survey {trial}: weighted moments", got, moments(a, weights), 1e-9, 1e-10)
        if baseline is None:
            baseline = said


# ---- training by name -------------------------------------------------------------------------------------------------

PREPARE = {"income": {"transform": "log1p", "impute": "median"}, "age": {"transform": "winsor"}, "visits": {"impute": "mean"},
           "channel": {"encode": "onehot", "impute": "mode"}}


def customers(rng, n):
    kind = rng.integers(0, 4, size=n)
    income = np.exp(rng.normal(8 + kind % 2, 0.5, size=n))
    age = rng.normal(30 + 12 * kind, 4, size=n) + (rng.random(n) < 0.01) * 200
    visits = rng.poisson(3 + 5 * (kind // 2)).astype(float)
    channel = np.where(rng.random(n) < 0.6, np.array(["app", "mail", "shop", "web"])[kind], "web").astype(object)
    channel[rng.random(n) < 0.004] = "fax"  # fewer than one in a hundred
    income[rng.random(n) < 0.05], visits[rng.random(n) < 0.02], channel[rng.random(n) < 0.03] = np.nan, np.nan, None
    return income, age, visits, channel


def pipeline(income, age, visits, channel):
    """The same preparation in scikit-learn: the points that are clustered."""
    impute = lambda x, how: SimpleImputer(strategy=how).fit_transform(x.reshape(-1, 1))[:, 0]  # noqa: E731
    columns = StandardScaler().fit_transform(np.column_stack([
        np.log1p(impute(income, "median")), np.clip(age, *np.quantile(age, [0.01, 0.99])), impute(visits, "mean")]))
    known = [v for v in channel if v is not None]
    levels = sorted(v for v in set(known) if known.count(v) >= 0.01 * len(known))
    mode = max(levels, key=known.count)
    named = np.array([mode if v is None else v if v in levels else "~other" for v in channel]).reshape(-1, 1)
    block = OneHotEncoder(categories=[levels + ["~other"]]).fit_transform(named).toarray()
    block = (block - block.mean(axis=0)) / np.sqrt(block.var(axis=0).sum())
    return np.column_stack([columns, block])


def test_training(tally, db):
    rng = np.random.default_rng(3)
    for trial, (n, k) in enumerate(((300, 3), (2000, 4), (4000, 6), (4000, 9))):
        columns = customers(rng, n)
        named = zip(("income", "age", "visits", "channel"), columns)
        load(db, "customers", {column: [None if v is None or v != v else v for v in values] for column, values in named})
        points = pipeline(*columns)
        name, where = f"oracle {trial}", f"train n={n} k={k}"
        said = db.named("SELECT * FROM segmentation.train(%s, 'customers', ARRAY['income', 'age', 'visits', 'channel'], %s, prepare => %s)",
                        (name, k, json.dumps(PREPARE)))
        tally.equal(f"{where}: rows", (said["rows"], said["skipped"], said["left_out"]), (n, 0, 0))
        info = db.named("SELECT * FROM kmeans_info(segmentation.model(%s))", (name,))
        theirs = KMeans(k, n_init=50, tol=0, random_state=trial).fit(points)
        tally.close(f"{where}: total inertia", info["total_inertia"], ((points - points.mean(axis=0)) ** 2).sum(), 1e-9)
        tally.close(f"{where}: four columns' worth", info["total_inertia"], 4 * n, 1e-9)
        tally.at_most(f"{where}: inertia", info["inertia"], theirs.inertia_ * 1.0005)
        tally.note(f"{where}: inertia {info['inertia'] / theirs.inertia_:.6f} of scikit-learn's")
        model = json.loads(db.one("SELECT segmentation.model(%s)::text", (name,)))
        squares = squares_to(points, np.array(model["centroids"]))
        ids = np.array([s["id"] for s in model["segments"]])
        tally.close(f"{where}: the inertia is that of the centroids", info["inertia"], squares.min(axis=1).sum(), 1e-9)
        for row in ("c", "to_jsonb(c)"):
            assigned = [s for s, in db.rows(f"SELECT kmeans_assign(%s, {row}) FROM customers AS c ORDER BY i", (name,))]
            tally.equal(f"{where}: segments of the rows by {row}", assigned, ids[squares.argmin(axis=1)].tolist())
        encoded = [p for p, in db.rows("SELECT segmentation.encode(segmentation.model(%s), c) FROM customers AS c ORDER BY i", (name,))]
        tally.close(f"{where}: rows in model space", encoded, points, 1e-9, 1e-10)


# ---- schedules --------------------------------------------------------------------------------------------------------

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


def field_set(field, low, high, names=()):
    """The numbers that a field of crontab(5) stands for."""
    numbers = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        ends = [low, high] if span == "*" else [names.index(e) + low if e in names else int(e) for e in span.split("-")]
        numbers.update(range(ends[0], ends[-1] + 1, int(step or 1)))
    return numbers


def next_by_search(expression, after, horizon_days):
    """The first minute after a moment that matches, by trying all; a day that does not match is left at once."""
    minute, hour, day, month, weekday = expression.split()
    minutes, hours = field_set(minute, 0, 59), field_set(hour, 0, 23)
    days, months = field_set(day, 1, 31), field_set(month, 1, 12, MONTHS)
    weekdays = {d % 7 for d in field_set(weekday, 0, 7, DAYS)}
    at = after.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
    end = at + datetime.timedelta(days=horizon_days)
    while at < end:
        by_day, by_weekday = at.day in days, at.isoweekday() % 7 in weekdays
        starred = day.startswith("*") or weekday.startswith("*")
        if at.month in months and ((by_day and by_weekday) if starred else (by_day or by_weekday)):
            if at.hour in hours and at.minute in minutes:
                return at
            at += datetime.timedelta(minutes=1)
        else:
            at = at.replace(hour=0, minute=0) + datetime.timedelta(days=1)
    return None


def random_field(rng, low, high, names=()):
    def number():
        n = rng.randint(low, high)
        return rng.choice([names[n - low], names[n - low].upper()]) if n - low < len(names) and rng.random() < 0.3 else str(n)

    def part():
        kind = rng.random()
        if kind < 0.5:
            return number()
        first, last = sorted(rng.randint(low, high) for _ in range(2))
        return f"{first}-{last}" + (f"/{rng.randint(1, high)}" if kind < 0.75 else "")

    kind = rng.random()
    if kind < 0.35:
        return "*"
    if kind < 0.5:
        return f"*/{rng.randint(1, high + 1)}"
    return ",".join(part() for _ in range(rng.choice([1, 1, 2, 4])))


def test_schedules(tally, db):
    rng = random.Random(4)
    utc = datetime.timezone.utc
    never = 0
    fixed = ["0 3 * * 0", "0 3 * * 7", "*/15 * * * *", "0 0 29 2 *", "59 23 31 12 *", "0 0 13 * fri", "0 0 31 2 *", "0 0 30 2 mon",
             "0 12 */10 * 1", "0 12 1-7 * *", "30 6 * jan-mar Sun,SAT", "0 0 31 4,6,9,11 *", "5 4 * * 5-7", "0 0 1 1 *"]
    for trial in range(200 + len(fixed)):
        expression = fixed[trial] if trial < len(fixed) else " ".join([
            random_field(rng, 0, 59), random_field(rng, 0, 23), random_field(rng, 1, 31), random_field(rng, 1, 12, MONTHS),
            random_field(rng, 0, 7, DAYS)])
        after = datetime.datetime(rng.randint(2020, 2030), 1, 1, tzinfo=utc) + datetime.timedelta(seconds=rng.randint(0, 366 * 86400))
        if trial % 3 == 0:
            after = after.replace(second=0)
        want = next_by_search(expression, after, 8 * 366)
        never += want is None
        got = db.one("SELECT segmentation.next_run(%s, %s)", (expression, after))
        tally.equal(f"next run of {expression} after {after}", got and got.astimezone(utc), want)
        if want is not None:  # and from there on the next one
            got = db.one("SELECT segmentation.next_run(%s, %s)", (expression, want))
            tally.equal(f"next run of {expression} after {want}", got and got.astimezone(utc), next_by_search(expression, want, 8 * 366))
    tally.check("schedules: some are never due, most are", 2 <= never < 20, f"{never}")
    for expression in ("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *",
                       "* * * * 8", "5-3 * * * *", "*/0 * * * *", "a * * * *", "-1 * * * *", "1,,2 * * * *", "* * * mon *", "1- * * * *",
                       "* * * * * ; DROP TABLE x", "99999999999 * * * *"):
        tally.equal(f"{expression!r} is no cron expression", db.one("SELECT segmentation.next_run(%s, now())", (expression,)), None)
