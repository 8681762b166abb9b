"""kmeans_step is a step of Lloyd's algorithm as numpy does it, and repeated it is scikit-learn's KMeans."""
import json

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from harness import simplified_silhouette, squares_to
from scoring_forms import to_model_space


def start(db, table, points, k, rng, **options):
    """A model of the table whose centroids are k of its rows, in model space."""
    model = json.loads(db.fit(table, k, {"quality": "fast", "max_iter": 1, **options}))
    y = to_model_space(model, points)
    model["centroids"] = y[rng.choice(len(y), size=k, replace=False)].tolist()
    model["segments"] = [{"id": int(i), "rows": 1, "weight": 1, "inertia": 1} for i in rng.choice(1000, size=k, replace=False)]
    return model, y


def lloyd_step(y, centroids, weights, cosine=False):
    """New centroids, labels, and the sums of each cluster's weights."""
    labels = squares_to(y, centroids).argmin(axis=1)
    moved = centroids.copy()
    for c in range(len(centroids)):
        mine = labels == c
        if weights[mine].sum() > 0:
            moved[c] = np.average(y[mine], axis=0, weights=weights[mine])
            if cosine:
                moved[c] /= np.linalg.norm(moved[c])
    return moved, labels, np.bincount(labels, weights=weights, minlength=len(centroids))


def step(db, table, model, weighted=False):
    return json.loads(db.one(f"SELECT kmeans_step(%s::kmeans_model, x{', w' if weighted else ''})::text FROM {table}",
                             (json.dumps(model),)))


def check_step(tally, where, model, moved, y, weights):
    """One step against numpy, by the rows of positive weight."""
    used = weights > 0
    y, weights = y[used], weights[used]
    before = np.array(model["centroids"])
    centroids, labels, sums = lloyd_step(y, before, weights, model["distance"] == "cosine")
    size = np.abs(y).max()
    tally.close(f"{where}: centroids", moved["centroids"], centroids, 1e-12, 1e-12 * size)
    tally.equal(f"{where}: ids", [s["id"] for s in moved["segments"]], [s["id"] for s in model["segments"]])
    tally.equal(f"{where}: rows", [s["rows"] for s in moved["segments"]], np.bincount(labels, minlength=len(before)).tolist())
    tally.close(f"{where}: weights", [s["weight"] for s in moved["segments"]], sums, 1e-12)
    squares = ((y - centroids[labels]) ** 2).sum(axis=1) * weights
    total = squares.sum()
    tally.close(f"{where}: inertias", [s["inertia"] for s in moved["segments"]],
                np.bincount(labels, weights=squares, minlength=len(before)), 1e-11, 1e-12 * max(total, 1))
    tally.close(f"{where}: inertia", moved["metrics"]["inertia"], total, 1e-11)
    true = (squares_to(y, centroids).min(axis=1) * weights).sum()
    tally.check(f"{where}: inertia is an upper bound", moved["metrics"]["inertia"] >= true * (1 - 1e-12))
    mean = np.average(y, axis=0, weights=weights)
    tally.close(f"{where}: total inertia", moved["metrics"]["total_inertia"], (((y - mean) ** 2).sum(axis=1) * weights).sum(), 1e-11)
    nearest = np.sqrt(squares_to(y, before).min(axis=1))
    tally.close(f"{where}: mean distance before", moved["metrics"]["mean_distance"], np.average(nearest, weights=weights), 1e-11)
    if len(before) > 1:
        tally.close(f"{where}: silhouette before", moved["metrics"]["silhouette"], simplified_silhouette(y, before, weights), 1e-10)
    fit = moved["fit"]
    tally.equal(f"{where}: record", (fit["iterations"], fit["rows"], fit["left_out"], fit["exact"]),
                (model["fit"]["iterations"] + 1, len(y), 0, model["fit"]["exact"]))
    tally.close(f"{where}: weight", fit["weight"], weights.sum(), 1e-12)
    return centroids


def test_one_step(tally, db):
    rng = np.random.default_rng(1)
    for k, dimensions in ((1, 1), (2, 3), (7, 2), (8, 8), (9, 5), (40, 4)):
        points, _ = make_blobs(2000, dimensions, centers=6, random_state=k, center_box=(-20, 100))
        points *= np.exp(rng.normal(size=dimensions) * 2)
        weights = rng.choice([0, 0.5, 1, 3, 17.25], size=len(points))
        db.load("steps", points, weights)
        for scale in ("none", "zscore", "minmax", "robust"):
            for weighted in (False, True):
                where = f"k={k} d={dimensions} {scale}{' weighted' if weighted else ''}"
                model, y = start(db, "steps", points, k, rng, scale=scale)
                moved = step(db, "steps", model, weighted)
                check_step(tally, where, model, moved, y, weights if weighted else np.ones(len(points)))
    model, y = start(db, "steps", points, 6, rng, scale="zscore", distance="cosine")
    check_step(tally, "cosine", model, step(db, "steps", model), y, np.ones(len(points)))
    check_step(tally, "cosine weighted", model, step(db, "steps", model, True), y, weights)


def test_empty_segments_stay(tally, db):
    rng = np.random.default_rng(2)
    points, _ = make_blobs(500, 3, centers=3, random_state=2)
    db.load("steps", points)
    model, y = start(db, "steps", points, 5, rng)
    model["centroids"][1] = [1e6, 0, 0]
    model["centroids"][4] = model["centroids"][0]  # a tie, which the first wins
    moved = step(db, "steps", model)
    check_step(tally, "empty", model, moved, y, np.ones(len(points)))
    tally.equal("empty: where they were", [moved["centroids"][i] for i in (1, 4)], [model["centroids"][i] for i in (1, 4)])
    tally.equal("empty: described", [moved["segments"][i][key] for i in (1, 4) for key in ("rows", "weight", "inertia")], [0] * 6)


def test_steps_are_scikit_learns(tally, db):
    rng = np.random.default_rng(3)
    for trial, (k, dimensions) in enumerate(((3, 2), (5, 4), (10, 6))):
        points, _ = make_blobs(3000, dimensions, centers=k, cluster_std=3, random_state=trial)
        weights = rng.choice([1, 2, 5], size=len(points)).astype(float)
        db.load("steps", points, weights)
        first, _ = start(db, "steps", points, k, rng)
        for weighted in (False, True):
            model, done = first, 0
            for iterations in (1, 2, 5, 12, 300):
                theirs = KMeans(k, init=np.array(first["centroids"]), n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
                theirs.fit(points, sample_weight=weights if weighted else None)
                while done < min(iterations, theirs.n_iter_ + 1):
                    model, done = step(db, "steps", model, weighted), done + 1
                where = f"k={k}{' weighted' if weighted else ''} after {iterations}"
                tally.close(f"{where}: centroids", model["centroids"], theirs.cluster_centers_, 1e-9, 1e-9)
            # It has converged, and so the metrics are those of the model.
            judged = db.named(f"SELECT (e).* FROM (SELECT kmeans_evaluate(%s::kmeans_model, x{', w' if weighted else ''}) e FROM steps) q",
                              (json.dumps(model),))
            for name in ("inertia", "mean_distance", "silhouette", "calinski_harabasz", "davies_bouldin"):
                tally.close(f"{where}: {name}", model["metrics"][name], judged[name], 1e-11)
            tally.close(f"{where}: their inertia", model["metrics"]["inertia"], theirs.inertia_, 1e-11)


def test_parallel(tally, db):
    rng = np.random.default_rng(4)
    points, _ = make_blobs(100000, 3, centers=5, random_state=4)
    db.load("steps", points, rng.choice([1, 2], size=len(points)))
    model, y = start(db, "steps", points, 12, rng, scale="zscore")
    query = "SELECT kmeans_step(%s::kmeans_model, x, w)::text FROM steps"
    db.run("SET max_parallel_workers_per_gather = 0")
    alone = json.loads(db.one(query, (json.dumps(model),)))
    db.run("SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
           "SET min_parallel_table_scan_size = 0")
    plan = "\n".join(line for line, in db.rows("EXPLAIN " + query, (json.dumps(model),)))
    tally.check("parallel: the plan is", "Partial Aggregate" in plan, plan[:200])
    together = json.loads(db.one(query, (json.dumps(model),)))
    db.run("RESET max_parallel_workers_per_gather; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size")
    tally.close("parallel: centroids", together["centroids"], alone["centroids"], 1e-12, 1e-13)
    tally.equal("parallel: rows", [s["rows"] for s in together["segments"]], [s["rows"] for s in alone["segments"]])
    for name, value in alone["metrics"].items():
        tally.close(f"parallel: {name}", together["metrics"][name], value, 1e-11)
    tally.equal("parallel: the rest", {k: v for k, v in together.items() if k not in ("centroids", "segments", "metrics")},
                {k: v for k, v in alone.items() if k not in ("centroids", "segments", "metrics")})


def test_refine(tally, db):
    """segmentation.refine is kmeans_step repeated; it says what it does, and stops where nothing moves."""
    rng = np.random.default_rng(5)
    points, _ = make_blobs(2000, 2, centers=4, random_state=5)
    db.load("steps", points)
    db.run("DROP TABLE IF EXISTS named; CREATE TABLE named AS SELECT x[1] AS a, x[2] AS b FROM steps ORDER BY i")
    model, y = start(db, "steps", points, 4, rng, scale="zscore")
    once = "(SELECT kmeans_step({}, ARRAY[a, b]) FROM named)"
    nested = once.format(once.format(once.format("%(model)s::kmeans_model")))
    tally.check("refine: 3 passes are 3 steps", db.one(f"""SELECT segmentation.refine(%(model)s, 'named', '{{a,b}}', 3)::text
                                                           = {nested}::text""", {"model": json.dumps(model)}))
    del db.connection.notices[:]
    best = json.loads(db.one("SELECT segmentation.refine(%s, 'named', '{a,b}', 1000)::text", (json.dumps(model),)))
    said = [line.split("inertia ")[1].split(",") for line in db.connection.notices if "inertia" in line]
    inertias = [float(part[0]) for part in said]
    tally.check("refine: it says each pass and stops", 2 < len(said) < 100, f"{len(said)} passes")
    tally.check("refine: inertia never rises", all(a >= b * (1 - 1e-12) for a, b in zip(inertias, inertias[1:])))
    tally.equal("refine: iterations", best["fit"]["iterations"], model["fit"]["iterations"] + len(said))
    tally.equal("refine: warnings of the start", [w["code"] for w in best["warnings"] if w["code"] == "not_converged"], [])
    theirs = KMeans(4, init=np.array(model["centroids"]), n_init=1, tol=0, algorithm="lloyd").fit(y)
    tally.close("refine: scikit-learn's centroids", best["centroids"], theirs.cluster_centers_, 1e-9, 1e-9)
    tally.close("refine: scikit-learn's inertia", best["metrics"]["inertia"], theirs.inertia_, 1e-11)
