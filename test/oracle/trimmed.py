"""Option "trim" is k-means-- (Chawla & Gionis, SDM 2013), implemented here once more in numpy from the same explicit centroids."""
import json

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, load_wine, make_blobs

from harness import squares_to


def kmeans_minus_minus(points, centroids, left_out, iterations=300):
    """Until nothing changes. Returns centroids, what is kept, labels and the inertia of what is kept."""
    centroids = np.array(centroids, dtype=float)
    for _ in range(iterations):
        squares = squares_to(points, centroids)
        labels, nearest = squares.argmin(axis=1), squares.min(axis=1)
        kept = np.ones(len(points), dtype=bool)
        kept[np.argsort(-nearest, kind="stable")[:left_out]] = False
        moved = np.array([points[kept & (labels == c)].mean(axis=0) if (kept & (labels == c)).any() else centroids[c] for c in range(len(centroids))])
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids, kept, labels, nearest[kept].sum()


def by_weight(squares, weights, share):
    """What is kept: from the farthest row on, while it fits."""
    order = np.argsort(-squares, kind="stable")
    out = np.cumsum(weights[order]) <= share * weights.sum() * (1 + 1e-12)
    first = len(out) if out.all() else int(np.argmin(out))
    kept = np.ones(len(squares), dtype=bool)
    kept[order[:first]] = False
    return kept


def check_fit(tally, where, model, points, start, share):
    left_out = int(np.floor(share * len(points) * (1 + 1e-12)))
    centroids, kept, labels, inertia = kmeans_minus_minus(points, start, left_out)
    ours = np.array(model["centroids"])
    if not all((kept & (labels == c)).any() for c in range(len(start))):
        return False
    order = [int(np.argmin(squares_to(centroids[c:c + 1], ours))) for c in range(len(centroids))]
    tally.equal(f"{where}: a centroid each", sorted(order), list(range(len(centroids))))
    tally.close(f"{where}: centroids", ours[order], centroids, 1e-9, 1e-9)
    tally.close(f"{where}: inertia", model["metrics"]["inertia"], inertia, 1e-9)
    tally.equal(f"{where}: counts", (model["fit"]["rows"], model["fit"]["left_out"]), (len(points) - left_out, left_out))
    tally.equal(f"{where}: sizes", [model["segments"][order[c]]["rows"] for c in range(len(centroids))],
                [int((kept & (labels == c)).sum()) for c in range(len(centroids))])
    rest = points[kept]
    tally.close(f"{where}: total inertia", model["metrics"]["total_inertia"], ((rest - rest.mean(axis=0)) ** 2).sum(), 1e-9)
    tally.close(f"{where}: mean distance", model["metrics"]["mean_distance"], np.sqrt(squares_to(rest, centroids).min(axis=1)).mean(), 1e-9)
    return True


def test_from_the_same_centroids(tally, db):
    rng = np.random.default_rng(1)
    data = {"iris": load_iris().data, "wine": load_wine().data}
    for d, n in ((1, 300), (2, 2000), (5, 5000), (20, 1000)):
        points, _ = make_blobs(n, d, centers=6, cluster_std=3, random_state=d)
        points[: n // 20] += rng.normal(size=(n // 20, d)) * 200
        data[f"d={d} n={n}"] = points
    compared = 0
    for name, points in data.items():
        # Without noise in the last digits two rows can be as far as each other, and which goes is our own rule.
        points = points + rng.normal(size=points.shape) * 1e-3
        db.load("trimmed", points)
        for k in (1, 2, 3, 6):
            for share in (0.01, 0.05, 0.29, 0.5):
                start = points[rng.choice(len(points), k, replace=False)]
                model = json.loads(db.fit("trimmed", k, {"trim": share, "tol": 0, "init": start.tolist()}))
                compared += check_fit(tally, f"{name} k={k} trim={share}", model, points, start, share)
    tally.check("most starts keep all clusters", compared > 80, f"{compared} of 96")


def test_scaled(tally, db):
    """As without option scale on columns that are scaled beforehand."""
    rng = np.random.default_rng(2)
    points = load_wine().data
    db.load("trimmed", points)
    for scale in ("zscore", "minmax", "robust"):
        start = points[rng.choice(len(points), 3, replace=False)]
        model = json.loads(db.fit("trimmed", 3, {"trim": 0.1, "tol": 0, "scale": scale, "init": start.tolist()}))
        offset, factor = np.array(model["offset"]), np.array(model["scale"])
        check_fit(tally, scale, model, (points - offset) / factor, (start - offset) / factor, 0.1)


def test_planted_outliers(tally, db):
    """The search finds what scikit-learn finds in the rows without their outliers."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        clean, _ = make_blobs(950, 3, centers=5, random_state=seed)
        noise = rng.normal(size=(50, 3))
        noise *= rng.uniform(100, 300, size=(50, 1)) / np.linalg.norm(noise, axis=1)[:, None]
        db.load("trimmed", np.vstack([clean, noise])[rng.permutation(1000)])
        model = json.loads(db.fit("trimmed", 5, {"trim": 0.05}))
        best = KMeans(5, n_init=20, random_state=0, tol=0).fit(clean).inertia_
        tally.equal(f"seed {seed}: left out", model["fit"]["left_out"], 50)
        tally.at_most(f"seed {seed}: inertia", model["metrics"]["inertia"], best * (1 + 1e-3))


def test_weights(tally, db):
    """Rules that any result keeps, and counts as rows."""
    rng = np.random.default_rng(3)
    points, _ = make_blobs(1000, 2, centers=4, random_state=3)
    points[:30] *= 30
    weights = rng.choice([1, 2, 5, 0.5], size=1000)
    db.load("trimmed", points, weights)
    for share in (0.01, 0.1, 0.3):
        model = json.loads(db.fit("trimmed", 4, {"trim": share, "tol": 0}, weighted=True))
        centroids = np.array(model["centroids"])
        squares = squares_to(points, centroids)
        kept = by_weight(squares.min(axis=1), weights, share)
        where = f"trim={share}"
        tally.equal(f"{where}: counts", (model["fit"]["rows"], model["fit"]["left_out"]), (int(kept.sum()), int((~kept).sum())))
        tally.close(f"{where}: weight", model["fit"]["weight"], weights[kept].sum(), 1e-12)
        tally.close(f"{where}: inertia", model["metrics"]["inertia"], (weights * squares.min(axis=1))[kept].sum(), 1e-9)
        means = [np.average(points[kept & (squares.argmin(axis=1) == c)], axis=0, weights=weights[kept & (squares.argmin(axis=1) == c)]) for c in range(4)]
        tally.note(f"{where}: centroids are off the means of their rows by {np.abs(np.array(means) - centroids).max():.2g}")
    db.load("trimmed", points, np.full(1000, 2))
    db.run("CREATE TABLE twice AS SELECT x FROM trimmed, generate_series(1, 2)")
    options = {"trim": 0.1, "tol": 0, "init": points[100:104].tolist()}
    once, twice = json.loads(db.fit("trimmed", 4, options, weighted=True)), json.loads(db.fit("twice", 4, options))
    tally.close("two rows: centroids", once["centroids"], twice["centroids"], 1e-12, 1e-12)
    tally.equal("two rows: left out", (2 * once["fit"]["left_out"], once["fit"]["weight"]), (twice["fit"]["left_out"], twice["fit"]["weight"]))


def test_parallel_and_order(tally, db):
    points, _ = make_blobs(120000, 3, centers=5, random_state=4)
    points[:3000] *= 20
    db.load("trimmed", points)
    options = json.dumps({"trim": 0.03, "n_init": 3})
    query = "SELECT kmeans(x, 5, %s::jsonb)::text FROM {}"
    db.run("SET max_parallel_workers_per_gather = 0")
    alone = db.one(query.format("trimmed"), (options,))
    tally.equal("left out", json.loads(alone)["fit"]["left_out"], 3600)
    tally.check("another order", db.one(query.format("(SELECT x FROM trimmed ORDER BY x[2]) AS t"), (options,)) == alone)
    for threads in (1, 2):
        db.run(f"SET segmentation.threads = {threads}")
        tally.check(f"{threads} threads", db.one(query.format("trimmed"), (options,)) == alone)
    db.run("RESET segmentation.threads; SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
           "SET min_parallel_table_scan_size = 0")
    tally.check("workers", db.one(query.format("trimmed"), (options,)) == alone)
    db.run("RESET max_parallel_workers_per_gather; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size")


def test_training(tally, db):
    """In segmentation.train the counts add up with outliers and missing values, and verify reproduces the version."""
    rng = np.random.default_rng(5)
    points, _ = make_blobs(960, 2, centers=3, random_state=5)
    noise = rng.uniform(-400, 400, size=(40, 2))
    db.load("trimmed", np.vstack([points, noise]))
    db.run("DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT i AS id, CASE WHEN i % 100 > 0 THEN x[1] END AS a, x[2] AS b FROM trimmed")
    options = {"trim": 0.04, "on_null": "skip"}
    for name, more in (("plain", {}), ("iqr", {"outliers": {"method": "iqr", "factor": 20}}), ("lof", {"outliers": {"method": "lof", "contamination": 0.02}})):
        said = db.named("SELECT * FROM segmentation.train(%s, 'people', '{a,b}', 3, key => '{id}', options => %s)", (name, json.dumps({**options, **more})))
        tally.equal(f"{name}: counts add up", said["rows"] + said["skipped"] + said["left_out"], 1000)
        tally.check(f"{name}: some are left out", said["left_out"] >= 35, str(said["left_out"]))
        tally.equal(f"{name}: sizes", db.one("SELECT sum(rows)::int FROM kmeans_clusters(%s)", (name,)), said["rows"])
        tally.equal(f"{name}: verified", db.row("SELECT same_data, same_model FROM segmentation.verify(%s, 1)", (name,)), (True, True))
        tally.equal(f"{name}: all rows score", db.one(f"SELECT count(kmeans_assign('{name}', p))::int FROM people p"), 990)
        tally.equal(f"{name}: no drift", db.rows("SELECT variable FROM segmentation.drift(%s) WHERE drifted", (name,)), [])
        db.run("CALL segmentation.retrain(%s)", (name,))
        tally.equal(f"{name}: retrained alike", db.rows("SELECT DISTINCT rows::int, left_out::int FROM segmentation.model_versions WHERE model = %s", (name,)),
                    [(said["rows"], said["left_out"])])


def test_choosing_k(tally, db):
    """Three groups and one row in 25 anywhere: without trim these hide the groups."""
    found = {0: 0, 0.04: 0}
    for seed in range(3):
        points, _ = make_blobs(960, 2, centers=3, random_state=seed, center_box=(-20, 20))
        db.load("trimmed", np.vstack([points, np.random.default_rng(seed).uniform(-200, 200, size=(40, 2))]))
        db.run("DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT x[1] AS a, x[2] AS b FROM trimmed")
        for share in found:
            chosen = db.one("SELECT DISTINCT k FROM segmentation.choose_k('people', '{a,b}', 2, 8, options => %s) WHERE chosen", (json.dumps({"trim": share}),))
            found[share] += chosen == 3
    tally.equal("with trim the three groups are found", found[0.04], 3)
    tally.note(f"without it in {found[0]} of 3")
