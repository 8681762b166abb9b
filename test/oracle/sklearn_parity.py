"""The same rows to scikit-learn and to the extension."""
import json

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler, normalize

from harness import inertia_of, same_partition, simplified_silhouette, squares_to


def blobs(rng, n, d, centers, spread=1.0):
    return rng.normal(size=(centers, d))[rng.integers(centers, size=n)] * 5 + rng.normal(size=(n, d)) * spread


def data_sets(rng, n, d):
    """By kind: groups, none, skewed, correlated and far from 0."""
    yield "blobs", blobs(rng, n, d, 5)
    yield "uniform", rng.uniform(size=(n, d))
    yield "skewed", np.exp(rng.normal(size=(n, d)))
    yield "shifted", rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 1e4


def ordered(centroids, weights):
    """As segments are numbered: the heaviest first, equal ones by their centroids."""
    return np.array(sorted(range(len(weights)), key=lambda c: (-weights[c], tuple(centroids[c]))))


def compare_explicit(tally, db, where, points, k, init, weights=None, **options):
    """One training from given centroids against scikit-learn's Lloyd from the same."""
    model = db.fit("points", k, {"init": init.tolist(), **options}, weighted=weights is not None)
    parsed, labels = json.loads(model), db.assign("points", model)
    oracle = KMeans(k, init=init, n_init=1, algorithm="lloyd", max_iter=options["max_iter"], tol=options["tol"]).fit(
        points, sample_weight=weights)
    tally.close(f"inertia {where}", parsed["metrics"]["inertia"], oracle.inertia_)
    tally.check(f"labels {where}", same_partition(labels, oracle.labels_.tolist()))
    tally.equal(f"iterations {where}", parsed["fit"]["iterations"], oracle.n_iter_)
    masses = np.bincount(oracle.labels_, weights, minlength=k)
    order = ordered(oracle.cluster_centers_, np.round(masses, 9))
    tally.close(f"centroids {where}", parsed["centroids"], oracle.cluster_centers_[order], 1e-9, 1e-9)
    tally.close(f"weights {where}", [s["weight"] for s in parsed["segments"]], masses[order])
    tally.equal(f"rows {where}", [s["rows"] for s in parsed["segments"]], np.bincount(oracle.labels_, minlength=k)[order].tolist())


def test_explicit_start(tally, db):
    rng = np.random.default_rng(1)
    for n, d, k in ((30, 1, 3), (200, 2, 4), (500, 3, 8), (1000, 7, 5), (64, 5, 9), (3000, 20, 12), (5000, 2, 33)):
        for kind, points in data_sets(rng, n, d):
            init = points[rng.choice(n, k, replace=False)]
            db.load("points", points)
            for max_iter, tol in ((1, 0), (3, 0), (300, 0), (300, 1e-4)):
                compare_explicit(tally, db, f"{kind} n={n} d={d} k={k} max_iter={max_iter} tol={tol}", points, k, init,
                                 max_iter=max_iter, tol=tol)


def test_explicit_start_weighted(tally, db):
    """tol is 0 here: scikit-learn's tolerance is a share of the unweighted variance, ours of the weighted one."""
    rng = np.random.default_rng(2)
    for n, d, k in ((200, 2, 4), (1000, 6, 7), (4097, 3, 16)):
        for kind, points in data_sets(rng, n, d):
            weights = rng.exponential(size=n) + 0.01
            init = points[rng.choice(n, k, replace=False)]
            db.load("points", points, weights)
            for max_iter in (2, 300):
                compare_explicit(tally, db, f"weighted {kind} n={n} d={d} k={k} max_iter={max_iter}", points, k, init, weights,
                                 max_iter=max_iter, tol=0)


def test_empty_cluster(tally, db):
    """An initial centroid that gets no row: both give it the farthest row."""
    rng = np.random.default_rng(3)
    for trial in range(5):
        points = blobs(rng, 300, 3, 3)
        init = np.vstack([points[rng.choice(300, 3, replace=False)], [[1e3, 1e3, 1e3]]])
        db.load("points", points)
        compare_explicit(tally, db, f"empty cluster, trial {trial}", points, 4, init, max_iter=300, tol=0)


def test_defaults(tally, db):
    """Defaults against scikit-learn's ten starts, over data sets with groups and without."""
    rng = np.random.default_rng(4)
    cases = []
    for n, d, k in ((100, 2, 3), (300, 2, 10), (500, 5, 5), (1000, 4, 20), (2000, 8, 8), (2000, 3, 40)):
        for kind, points in data_sets(rng, n, d):
            cases.append((f"{kind} n={n} d={d}", points, k))
    for name, load in (("iris", load_iris), ("wine", load_wine), ("breast cancer", load_breast_cancer), ("digits", load_digits)):
        points = StandardScaler().fit_transform(load().data)
        cases += [(name, points, k) for k in (2, 5, 10, 20)]
    gaps = []
    for name, points, k in cases:
        db.load("points", points)
        ours = json.loads(db.fit("points", k))
        theirs = KMeans(k, n_init=10, random_state=0).fit(points)
        tally.close(f"inertia is that of the centroids, {name} k={k}", ours["metrics"]["inertia"],
                    inertia_of(points, np.array(ours["centroids"])))
        gaps.append(ours["metrics"]["inertia"] / theirs.inertia_ - 1)
        tally.at_most(f"defaults, {name} k={k}: within 3 % of scikit-learn", gaps[-1], 0.03)
    gaps = np.array(gaps)
    better, worse = int((gaps < -1e-9).sum()), int((gaps > 1e-9).sum())
    tally.at_most("defaults are no worse than scikit-learn on the average", gaps.mean(), 1e-3)
    tally.at_most("defaults are worse than scikit-learn less often than better", worse, better)
    worst = int(np.argmax(gaps))
    tally.note(f"defaults against scikit-learn n_init=10, {len(gaps)} data sets: mean gap {100 * gaps.mean():+.4f} %, "
               f"better {better}, equal {len(gaps) - better - worse}, worse {worse}; "
               f"best {100 * gaps.min():+.3f} %, worst {100 * gaps.max():+.3f} % ({cases[worst][0]} k={cases[worst][2]})")


SCALERS = {
    "zscore": (StandardScaler, lambda s: (s.mean_, s.scale_)),
    "minmax": (MinMaxScaler, lambda s: (s.data_min_, s.data_range_)),
    "robust": (RobustScaler, lambda s: (s.center_, s.scale_)),
}


def test_scaling(tally, db):
    rng = np.random.default_rng(5)
    for n, d, k in ((101, 3, 3), (1000, 6, 5), (2048, 2, 4)):
        points = np.exp(rng.normal(size=(n, d))) * 10.0 ** np.arange(d) + rng.normal(size=d) * 100
        points[:, 0] = np.round(points[:, 0])  # a column with ties
        if d == 6:
            points[:, 5] = 3.7  # a column without spread
        init = points[rng.choice(n, k, replace=False)]
        db.load("points", points)
        for scale, (scaler_class, read) in SCALERS.items():
            where = f"{scale} n={n} d={d}"
            scaler = scaler_class().fit(points)
            offset, factor = read(scaler)
            factor = np.where(factor == 0, 1, factor)
            scaled = (points - offset) / factor
            model = db.fit("points", k, {"scale": scale, "init": init.tolist(), "tol": 0})
            parsed = json.loads(model)
            tally.equal(f"scaling {where}", parsed["scaling"], scale)
            tally.close(f"offset {where}", parsed["offset"], offset, 1e-12, 1e-12)
            tally.close(f"scale {where}", parsed["scale"], factor, 1e-12, 1e-12)
            oracle = KMeans(k, init=(init - offset) / factor, n_init=1, tol=0).fit(scaled)
            tally.close(f"inertia {where}", parsed["metrics"]["inertia"], oracle.inertia_)
            tally.check(f"labels {where}", same_partition(db.assign("points", model), oracle.labels_.tolist()))
            order = ordered(oracle.cluster_centers_, np.bincount(oracle.labels_, minlength=k))
            scaled_centroids = oracle.cluster_centers_[order]
            rows = db.rows("SELECT segment, feature, centroid, scaled FROM kmeans_centroids(%s::kmeans_model)", (model,))
            tally.equal(f"centroid rows {where}", [(s, f) for s, f, _, _ in rows],
                        [(s, f"f{j + 1}") for s in range(k) for j in range(d)])
            tally.close(f"scaled centroids {where}", [r[3] for r in rows], scaled_centroids.ravel(), 1e-9, 1e-9)
            tally.close(f"raw centroids {where}", [r[2] for r in rows],
                        scaler.inverse_transform(scaled_centroids).ravel(), 1e-9, 1e-9)


def test_whole_weights_are_repeated_rows(tally, db):
    """A weight of 3 is three equal rows: for the scale, the inertia and every metric."""
    rng = np.random.default_rng(6)
    points = np.exp(rng.normal(size=(400, 3)))
    weights = rng.integers(1, 5, size=400)
    repeated = np.repeat(points, weights, axis=0)
    init = points[:4]
    db.load("points", points, weights)
    for scale, (scaler_class, read) in SCALERS.items():
        offset, factor = read(scaler_class().fit(repeated))
        scaled = (repeated - offset) / factor
        model = db.fit("points", 4, {"scale": scale, "init": init.tolist(), "tol": 0}, weighted=True)
        parsed, metrics = json.loads(model), json.loads(model)["metrics"]
        tally.close(f"weighted offset {scale}", parsed["offset"], offset, 1e-12)
        tally.close(f"weighted scale {scale}", parsed["scale"], factor, 1e-12)
        oracle = KMeans(4, init=(init - offset) / factor, n_init=1, tol=0).fit(scaled)
        judged = db.named("SELECT (e).* FROM (SELECT kmeans_evaluate(%s::kmeans_model, x, w) e FROM points) q", (model,))
        for name, want in (("inertia", oracle.inertia_),
                           ("calinski_harabasz", calinski_harabasz_score(scaled, oracle.labels_)),
                           ("davies_bouldin", davies_bouldin_score(scaled, oracle.labels_)),
                           ("silhouette", simplified_silhouette(scaled, oracle.cluster_centers_)),
                           ("mean_distance", np.sqrt(squares_to(scaled, oracle.cluster_centers_).min(axis=1)).mean())):
            tally.close(f"weighted {name} {scale}", metrics[name], want)
            tally.close(f"weighted {name} of kmeans_evaluate {scale}", judged[name], want)
        tally.close(f"weighted total inertia {scale}", metrics["total_inertia"], scaled.var(axis=0).sum() * len(scaled))
        tally.equal(f"rows and weight {scale}", (judged["rows"], judged["weight"]), (400, float(weights.sum())))


def spherical(points, centroids, max_iter=300):
    """Spherical k-means on rows of length 1 (Dhillon & Modha 2001): centroids, inertia sum |x - c|^2."""
    labels = None
    for _ in range(max_iter):
        nearest = squares_to(points, centroids).argmin(axis=1)
        if labels is not None and (nearest == labels).all():
            break
        labels = nearest
        for c in range(len(centroids)):
            total = points[labels == c].sum(axis=0)
            if np.linalg.norm(total) > 0:
                centroids[c] = total / np.linalg.norm(total)
    return centroids, inertia_of(points, centroids)


def test_cosine(tally, db):
    rng = np.random.default_rng(7)
    cases = [(f"random n={n} d={d}", blobs(rng, n, d, 6, 2.0), k) for n, d, k in ((200, 3, 4), (600, 5, 8), (1500, 10, 12))]
    cases += [("digits", load_digits().data, 10), ("wine z-scored", StandardScaler().fit_transform(load_wine().data), 6)]
    gaps = []
    for name, points, k in cases:
        db.load("points", points)
        directions = points / np.linalg.norm(points, axis=1)[:, None]
        starts = [rng.choice(len(points), k, replace=False) for _ in range(10)]
        given = json.loads(db.fit("points", k, {"distance": "cosine", "init": points[starts[0]].tolist(), "tol": 0}))
        results = [spherical(directions, directions[start].copy()) for start in starts]
        tally.close(f"cosine from given centroids, {name}", given["metrics"]["inertia"], results[0][1])
        centroids = results[0][0]
        order = ordered(centroids, np.bincount(squares_to(directions, centroids).argmin(axis=1), minlength=k))
        tally.close(f"cosine centroids, {name}", given["centroids"], centroids[order], 1e-9, 1e-9)
        model = db.fit("points", k, {"distance": "cosine"})
        ours = json.loads(model)
        found = np.array(ours["centroids"])
        tally.close(f"cosine centroids have length 1, {name}", np.linalg.norm(found, axis=1), np.ones(k), 1e-12)
        tally.close(f"cosine inertia is that of the centroids, {name}", ours["metrics"]["inertia"], inertia_of(directions, found))
        tally.equal(f"cosine labels, {name}", db.assign("points", model), squares_to(directions, found).argmin(axis=1).tolist())
        # scikit-learn on the same directions: its partition, judged as spherical k-means judges.
        oracle = KMeans(k, n_init=10, random_state=0).fit(directions)
        theirs = spherical(directions, normalize([directions[oracle.labels_ == c].sum(axis=0) for c in range(k)]))[1]
        best = min([theirs] + [inertia for _, inertia in results])
        gaps.append(ours["metrics"]["inertia"] / best - 1)
        tally.at_most(f"cosine, {name}: within 1 % of the best of twenty starts", gaps[-1], 0.01)
        tally.note(f"cosine {name} k={k}: {100 * gaps[-1]:+.4f} % against the best of numpy's ten starts and scikit-learn's ten")
    tally.at_most("cosine is no worse on the average", np.mean(gaps), 1e-3)


def test_silhouette_and_metrics(tally, db):
    rng = np.random.default_rng(8)
    for n, d, k, weighted in ((50, 2, 2, False), (700, 4, 6, False), (700, 4, 6, True), (5000, 3, 15, True)):
        points = blobs(rng, n, d, 4)
        weights = rng.exponential(size=n) + 0.1 if weighted else None
        where = f"n={n} d={d} k={k}{' weighted' if weighted else ''}"
        db.load("points", points, weights)
        model = db.fit("points", k, {}, weighted=weighted)
        centroids, metrics = np.array(json.loads(model)["centroids"]), json.loads(model)["metrics"]
        info = db.info(model)
        nearest = squares_to(points, centroids).min(axis=1)
        expected = {"silhouette": simplified_silhouette(points, centroids, weights),
                    "mean_distance": np.average(np.sqrt(nearest), weights=weights),
                    "inertia": inertia_of(points, centroids, weights)}
        if weighted:
            mean = np.average(points, axis=0, weights=weights)
            expected["total_inertia"] = (weights * ((points - mean) ** 2).sum(axis=1)).sum()
        else:
            labels = squares_to(points, centroids).argmin(axis=1)
            expected["total_inertia"] = ((points - points.mean(axis=0)) ** 2).sum()
            expected["calinski_harabasz"] = calinski_harabasz_score(points, labels)
            expected["davies_bouldin"] = davies_bouldin_score(points, labels)
        for name, want in expected.items():
            tally.close(f"{name} {where}", info[name], want)
            tally.equal(f"{name} of kmeans_info is the model's {where}", info[name], metrics[name])
        tally.close(f"explained {where}", info["explained"], 1 - expected["inertia"] / expected["total_inertia"])
        per_row = db.rows("SELECT (kmeans_score(%s::kmeans_model, x)).silhouette FROM points ORDER BY i", (model,))
        tally.close(f"silhouette row by row {where}", np.average([s for s, in per_row], weights=weights), info["silhouette"])


def test_new_rows(tally, db):
    rng = np.random.default_rng(9)
    for scale in ("none", "zscore"):
        points, new = blobs(rng, 800, 4, 5), blobs(rng, 3000, 4, 7, 3.0)
        db.load("points", points)
        model = db.fit("points", 6, {"scale": scale})
        parsed = json.loads(model)
        oracle = KMeans(6, init=points[:6], n_init=1, max_iter=1).fit(points)  # any fit: only its predict is wanted
        oracle.cluster_centers_ = np.array(parsed["centroids"])
        scaled = (new - parsed["offset"]) / parsed["scale"]
        want = oracle.predict(scaled)
        db.load("new_points", new)
        tally.equal(f"predictions on new rows, {scale}", db.assign("new_points", model), want.tolist())
        judged = db.named("SELECT (e).* FROM (SELECT kmeans_evaluate(%s::kmeans_model, x) e FROM new_points) q", (model,))
        tally.equal(f"rows judged, {scale}", (judged["rows"], judged["skipped"]), (3000, 0))
        tally.close(f"inertia on new rows, {scale}", judged["inertia"], -oracle.score(scaled))
        tally.close(f"Calinski-Harabasz on new rows, {scale}", judged["calinski_harabasz"], calinski_harabasz_score(scaled, want))
        tally.close(f"silhouette on new rows, {scale}", judged["silhouette"],
                    simplified_silhouette(scaled, oracle.cluster_centers_))
