"""How many segments: kmeans_range and segmentation.choose_k beside scikit-learn and the reference analysis, generated populations with
and without groups, and outliers by local outlier factor."""
import io
import json

import numpy as np
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from study import FEATURES, NAMES, load


def metrics(db, query, arguments=()):
    """By k: the metrics of segmentation.choose_k, and which k is chosen."""
    found, chosen = {}, None
    for k, metric, value, is_chosen in db.rows(f"SELECT k, metric, value, chosen FROM {query}", arguments):
        found.setdefault(k, {})[metric] = value
        chosen = k if is_chosen else chosen
    return found, chosen


def test_lof_of_the_study(tally, db):
    reference = load(tally, db, "test_lof_of_the_study")
    if reference is None:
        return
    wanted = reference["outliers"]["removed_customer_ids"]
    found = db.rows(f"""WITH scored AS MATERIALIZED (SELECT "Customer Id" AS id, local_outlier_factor({FEATURES}, 20) OVER () AS factor FROM customers)
        SELECT id FROM scored WHERE factor > (SELECT segmentation.contamination_threshold(array_agg(factor), 0.05) FROM scored) ORDER BY id""")
    tally.equal("outliers", [i for i, in found], sorted(wanted))
    db.run("SELECT segmentation.train('study_lof', 'customers', %s, 2, options => %s)",
           (NAMES, json.dumps({"scale": "minmax", "outliers": {"method": "lof", "neighbors": 20, "contamination": 0.05}})))
    left_out, rows, inertia = db.rows("SELECT left_out, rows, inertia FROM kmeans_info('study_lof')")[0]
    tally.equal("left out", left_out, len(wanted))
    tally.equal("rows", rows, reference["outliers"]["kept"])
    tally.close("inertia", inertia, reference["kmeans_k2"]["inertia"])
    tally.equal("sizes", [n for n, in db.rows("SELECT rows FROM kmeans_clusters('study_lof')")], reference["kmeans_k2"]["sizes"])
    # The rows that were left out have a segment all the same.
    tally.equal("all rows score", db.one("SELECT count(kmeans_assign('study_lof', c)) FROM customers AS c"), 850)  # reference: source
    tally.equal("no drift", db.one("SELECT verdict FROM segmentation.drift('study_lof') WHERE kind = 'model'"), "stable")
    tally.equal("reproduced", db.rows("SELECT same_data, same_model FROM segmentation.verify('study_lof')"), [(True, True)])


def test_choosing_k_of_the_study(tally, db):
    reference = load(tally, db, "test_choosing_k_of_the_study")
    if reference is None:
        return
    for key, options in (("evaluation_on_first_4_components", {"scale": "minmax", "components": 4, "quality": "best", "tol": 0}),
                         ("evaluation_on_scaled_features", {"scale": "minmax", "quality": "best", "tol": 0})):
        found, _ = metrics(db, "segmentation.choose_k('kept', %s, 2, 11, options => %s)", (NAMES, json.dumps(options)))
        same = 0
        for row in reference[key]["rows"]:
            k, got = row["k"], found[row["k"]]
            tally.check(f"{key}: inertia, k = {k}", got["inertia"] <= row["inertia"] * (1 + 1e-9), f"{got['inertia']} against {row['inertia']}")
            tally.equal(f"{key}: silhouette of all rows", got["silhouette_rows"], reference["outliers"]["kept"])
            if abs(got["inertia"] / row["inertia"] - 1) > 1e-9:
                continue  # better segments than the reference's
            same += 1
            for metric in ("silhouette", "calinski_harabasz", "davies_bouldin"):
                tally.close(f"{key}: {metric}, k = {k}", got[metric], row[metric])
        tally.check(f"{key}: some of the segments are the reference's", same >= 2, f"for {same} numbers")
        tally.close(f"{key}: k = 2", found[2]["inertia"], reference[key]["rows"][0]["inertia"])


def test_every_k_beside_scikit_learn(tally, db):
    db.run("CREATE TABLE some_customers AS SELECT customer_id, age::float8, income, card_debt, 1 + customer_id % 3 AS weight FROM segmentation.sample_customers(2500, 3)")
    rows = np.array([r for r, in db.rows("SELECT ARRAY[age, income, card_debt] FROM some_customers ORDER BY customer_id")], dtype=float)
    weights = np.array([w for w, in db.rows("SELECT weight FROM some_customers ORDER BY customer_id")])
    for weighted in (False, True):
        column = "weight" if weighted else "1"
        db.run(f"""CREATE TABLE ranged AS SELECT kmeans_range(ARRAY[age, income, card_debt], 1, 6, '{{"scale": "zscore", "features": ["age", "income", "card_debt"]}}', {column}) AS models FROM some_customers""")
        tally.equal("one model for each k", [k for k, in db.rows("SELECT i.k FROM ranged, unnest(models) AS m, kmeans_info(m) AS i")], [1, 2, 3, 4, 5, 6])
        found, _ = metrics(db, "segmentation.choose_k('some_customers', '{age,income,card_debt}', 1, 6, weight => %s)", ("weight" if weighted else None,))
        times = weights if weighted else np.ones(len(rows), dtype=int)
        repeated = np.repeat(rows, times, axis=0)
        scaled = (repeated - repeated.mean(axis=0)) / repeated.std(axis=0)
        for k in range(1, 7):
            name = f"k = {k}, {'weights' if weighted else 'no weights'}"
            alone = db.one(f"SELECT (SELECT models[%s] FROM ranged) = kmeans(ARRAY[age, income, card_debt], %s, '{{\"scale\": \"zscore\", \"features\": [\"age\", \"income\", \"card_debt\"]}}', {column}) FROM some_customers", (k, k))
            tally.check(f"kmeans_range is kmeans, {name}", alone)
            labels = np.repeat([s for s, in db.rows("SELECT kmeans_assign(models[%s], ARRAY[age, income, card_debt]) FROM some_customers, ranged ORDER BY customer_id", (k,))], times)
            centroids = np.array([scaled[labels == c].mean(axis=0) for c in range(k)])
            inertia = ((scaled - centroids[labels]) ** 2).sum()
            tally.close(f"inertia, {name}", found[k]["inertia"], inertia, relative=1e-6)
            n, d = scaled.shape
            variance = inertia / (d * (n - k))
            sizes = np.bincount(labels, minlength=k)
            likelihood = (sizes * np.log(sizes / n)).sum() - n * d / 2 * np.log(2 * np.pi * variance) - d * (n - k) / 2
            tally.close(f"BIC, {name}", found[k]["bic"], (k * d + k) * np.log(n) - 2 * likelihood, relative=1e-6)
            if k == 1:
                tally.check(f"no silhouette, {name}", found[k]["silhouette"] is None)
                continue
            tally.close(f"silhouette, {name}", found[k]["silhouette"], silhouette_score(scaled, labels), relative=1e-6)
            tally.close(f"Calinski-Harabasz, {name}", found[k]["calinski_harabasz"], calinski_harabasz_score(scaled, labels), relative=1e-6)
            tally.close(f"Davies-Bouldin, {name}", found[k]["davies_bouldin"], davies_bouldin_score(scaled, labels), relative=1e-4)
        db.run("DROP TABLE ranged")


def mixture(groups, columns, separation, rows, random):
    """Equal spherical groups of standard deviation 1, the nearest two centers `separation` apart."""
    while True:
        centers = random.normal(size=(groups, columns))
        apart = np.sqrt(((centers[:, None] - centers[None]) ** 2).sum(axis=2))[np.triu_indices(groups, 1)]
        if apart.min() > 0.5 * np.median(apart):  # no groups of groups
            break
    centers *= separation / apart.min()
    return centers[random.integers(groups, size=rows)] + random.normal(size=(rows, columns))


def choice(db, rows):
    db.run("CREATE TEMP TABLE population (x float8[])")
    db.cursor.copy_from(io.StringIO("\n".join("{" + ",".join(map(repr, map(float, row))) + "}" for row in rows)), "population", columns=("x",))
    found = db.one("""SELECT segmentation.choose(x, 2, 10, '{"scale": "zscore"}', 1) - 'model' FROM population""")
    db.run("DROP TABLE population")
    return found


def test_groups_are_counted(tally, db):
    random = np.random.default_rng(20260101)
    for groups, columns in ((4, 2), (5, 5), (8, 10)):
        found = [choice(db, mixture(groups, columns, separation, 3000, random)) for separation in np.linspace(2.5, 4, 12)]
        right = [f["k"] if f["structured"] else 1 for f in found]
        tally.check(f"{groups} groups in {columns} dimensions, 11 of 12", right.count(groups) >= 11, f"found {right}")


def test_none_is_said(tally, db):
    random = np.random.default_rng(20260102)
    populations = {
        "a Gaussian": lambda: random.normal(size=(2000, 4)),
        "a Gaussian with correlation 0.8": lambda: random.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=2000),
        "a square": lambda: random.uniform(size=(2000, 2)),
        "a box": lambda: random.uniform(size=(2000, 4)),
        "a skewed population, log1p": lambda: np.log1p(random.lognormal(3, 0.8, size=(2000, 3))),
    }
    for name, draw in populations.items():
        none = sum(not choice(db, draw())["structured"] for _ in range(12))
        tally.check(f"{name}: none, 11 of 12", none >= 11, f"{none}")
