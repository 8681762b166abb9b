"""Principal components: the aggregate pca and option components, against scikit-learn, numpy and the reference analysis."""
import json

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from harness import gap, same_partition, squares_to
from study import FEATURES, NAMES, load, scaled_rows


def fit_pca(db, table, options=None, weighted=False):
    weight = ", w" if weighted else ""
    return json.loads(db.one(f"SELECT pca(x, %s::jsonb{weight})::text FROM {table}", (json.dumps(options or {}),)))


def same_axes(tally, where, got, want, tolerance=1e-9):
    """Equal up to sign, and of the sign whose largest loading is positive."""
    got, want = np.array(got), np.array(want)
    signs = np.sign((got * want).sum(axis=1))
    tally.close(f"components {where}", got, want * signs[:, None], 0, tolerance)
    largest = got[np.arange(len(got)), np.abs(got).argmax(axis=1)]
    tally.check(f"signs {where}", bool((largest > 0).all()), f"{largest}")


def transformed(db, table, model):
    return np.array([y for y, in db.rows(f"SELECT pca_transform(%s::pca_model, x) FROM {table} ORDER BY i", (json.dumps(model),))])


def test_generated_data(tally, db):
    rng = np.random.default_rng(11)
    for n, d in ((5, 2), (300, 4), (2000, 12)):
        for kind, mean in (("about 0", 0.0), ("mean 1e6", 1e6)):
            points = rng.normal(size=(n, d)) @ (rng.normal(size=(d, d)) / np.arange(1, d + 1)) + mean * rng.uniform(0.5, 2, size=d)
            db.load("points", points)
            for scale, scaler in (("none", None), ("zscore", StandardScaler()), ("minmax", MinMaxScaler())):
                where = f"n={n} d={d} {kind} {scale}"
                # Without its mean first: at 1e6 the scaler itself loses six digits. The shift changes no covariance.
                about = points - points.mean(axis=0)
                oracle = PCA(svd_solver="full").fit(about if scaler is None else scaler.fit_transform(about))
                model = fit_pca(db, "points", {"scale": scale})
                tally.close(f"variances {where}", model["variances"], oracle.explained_variance_, 1e-9, 1e-13 * oracle.explained_variance_[0])
                tally.close(f"total variance {where}", model["total_variance"], oracle.explained_variance_.sum(), 1e-9)
                if n > d + 1:
                    same_axes(tally, where, model["axes"], oracle.components_, 1e-7)
                ratios = [r for r, in db.rows("SELECT DISTINCT variance_ratio FROM pca_components(%s::pca_model) ORDER BY 1 DESC", (json.dumps(model),))]
                tally.close(f"ratios {where}", ratios, sorted(set(oracle.explained_variance_ratio_), reverse=True), 1e-9, 1e-13)
                scores = transformed(db, "points", model)
                expected = ((points - model["offset"]) / np.array(model["scale"]) - model["center"]) @ np.array(model["axes"]).T
                tally.close(f"transform {where}", scores, expected, 1e-9, 1e-9)
                tally.close(f"variances of the scores {where}", scores.var(axis=0, ddof=1), model["variances"], 1e-6, 1e-9 * model["variances"][0])


def test_weights(tally, db):
    rng = np.random.default_rng(12)
    points = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)) + 100
    weights = rng.integers(1, 6, size=400)
    db.load("points", points, weights)
    oracle = PCA(svd_solver="full").fit(np.repeat(points, weights, axis=0))
    model = fit_pca(db, "points", weighted=True)
    tally.close("variances of repeated rows", model["variances"], oracle.explained_variance_)
    same_axes(tally, "of repeated rows", model["axes"], oracle.components_)
    tally.equal("rows and weight", (model["rows"], model["weight"]), (400, int(weights.sum())))
    weights = rng.exponential(size=400) + 0.1
    db.load("points", points, weights)
    model = fit_pca(db, "points", weighted=True)
    values, vectors = np.linalg.eigh(np.cov(points.T, aweights=weights, ddof=0))
    tally.close("variances, any weights", model["variances"], values[::-1] * weights.sum() / (weights.sum() - 1))
    same_axes(tally, "any weights", model["axes"], vectors.T[::-1])


def test_share_of_the_variance(tally, db):
    rng = np.random.default_rng(13)
    points = rng.normal(size=(500, 8)) * np.arange(1, 9)
    db.load("points", points)
    for share in (0.1, 0.5, 0.8, 0.95, 0.999):
        oracle = PCA(n_components=share, svd_solver="full").fit(points)
        tally.equal(f"components for {share}", len(fit_pca(db, "points", {"components": share})["variances"]), oracle.n_components_)
        model = json.loads(db.fit("points", 2, {"components": share}))
        tally.equal(f"components of kmeans for {share}", len(model["rotation"]["axes"]), oracle.n_components_)


def test_card_customers(tally, db):
    reference = load(tally, db, "test_card_customers")
    if reference is None:
        return
    model = json.loads(db.one(f"SELECT pca({FEATURES}, %s::jsonb)::text FROM kept", (json.dumps({"scale": "minmax", "features": NAMES}),)))
    tally.equal("rows", model["rows"], reference["outliers"]["kept"])
    ratios = np.array(model["variances"]) / model["total_variance"]
    tally.close("explained variance ratios", ratios, reference["pca"]["explained_variance_ratio"], 0, 1e-9)
    tally.close("mean", model["center"], reference["pca"]["mean"], 1e-12)
    same_axes(tally, "of the reference", model["axes"], reference["pca"]["components"])
    _, scaled = scaled_rows(db, reference)
    oracle = PCA(svd_solver="full").fit(scaled)
    tally.close("variances of scikit-learn", model["variances"], oracle.explained_variance_)


def test_card_customers_clustered(tally, db):
    """Option components does in one call what the reference did in three."""
    reference = load(tally, db, "test_card_customers_clustered")
    if reference is None:
        return
    raw, scaled = scaled_rows(db, reference)
    scores = PCA(n_components=4, svd_solver="full").fit_transform(scaled)
    for expected in reference["evaluation_on_first_4_components"]["rows"]:
        k, found = expected["k"], {}
        for quality in ("default", "best"):
            options = {"scale": "minmax", "features": NAMES, "components": 4, "quality": quality}
            model = db.one(f"SELECT kmeans({FEATURES}, %s, %s::jsonb)::text FROM kept", (k, json.dumps(options)))
            found[quality] = info = db.info(model)
            labels = [s for s, in db.rows(f'SELECT kmeans_assign(%s::kmeans_model, {FEATURES}) FROM kept ORDER BY "Customer Id"', (model,))]
            where = f"k={k} {quality}"
            means = np.array([scores[np.array(labels) == s].mean(axis=0) for s in range(k)])
            tally.close(f"inertia of these labels {where}", info["inertia"], ((scores - means[labels]) ** 2).sum())
            tally.equal(f"labels are the nearest means {where}", squares_to(scores, means).argmin(axis=1).tolist(), labels)
            tally.close(f"calinski_harabasz {where}", info["calinski_harabasz"], calinski_harabasz_score(scores, labels))
            tally.close(f"davies_bouldin {where}", info["davies_bouldin"], davies_bouldin_score(scores, labels))
        tally.at_most(f"best inertia k={k}", found["best"]["inertia"], expected["inertia"] * (1 + 1e-9))
        tally.at_most(f"default inertia k={k}", found["default"]["inertia"], expected["inertia"] * 1.01)
        if k == 2 or abs(found["best"]["inertia"] / expected["inertia"] - 1) < 1e-9:
            for name in ("calinski_harabasz", "davies_bouldin"):
                tally.close(f"{name} of the reference k={k}", found["best"][name], expected[name], 1e-9)
        tally.note(f"components k={k}: " + ", ".join(f"{q} {gap(i['inertia'], expected['inertia']):+.4f} %" for q, i in found.items()))


def test_many_rows(tally, db):
    """More rows than are searched whole, and more than train_memory holds."""
    rng = np.random.default_rng(16)
    centers = rng.normal(size=(5, 4)) * 6
    points = np.round(centers[rng.integers(5, size=120_000)] + rng.normal(size=(120_000, 4)) * [1, 2, 0.5, 0.1], 3)
    db.load("points", points)
    options = {"components": 2, "scale": "zscore", "n_init": 3}
    model = db.fit("points", 5, options)
    parsed = json.loads(model)
    oracle = PCA(n_components=2, svd_solver="full").fit(StandardScaler().fit_transform(points))
    same_axes(tally, "of 120,000 rows", parsed["rotation"]["axes"], oracle.components_)
    # Lloyd's algorithm ends by tol here, so the centroids need not be the means.
    signs = np.sign((np.array(parsed["rotation"]["axes"]) * oracle.components_).sum(axis=1))
    scores = oracle.transform(StandardScaler().fit_transform(points)) * signs
    squares = squares_to(scores, np.array(parsed["centroids"]))
    tally.equal("labels of 120,000 rows", db.assign("points", model), squares.argmin(axis=1).tolist())
    tally.close("inertia of 120,000 rows", parsed["metrics"]["inertia"], squares.min(axis=1).sum())
    db.run("SET segmentation.train_memory = '1MB'")
    summarized = db.fit("points", 5, options)
    db.run("RESET segmentation.train_memory")
    tally.equal("cells: exact", json.loads(summarized)["fit"]["exact"], False)
    same_axes(tally, "of cells, nearly", json.loads(summarized)["rotation"]["axes"], parsed["rotation"]["axes"], 0.02)
    judged = db.one("SELECT (kmeans_evaluate(%s::kmeans_model, x)).inertia FROM points", (summarized,))
    tally.at_most("inertia of cells, on all rows", judged, parsed["metrics"]["inertia"] * 1.03)
    tally.note(f"cells: {gap(judged, parsed['metrics']['inertia']):+.4f} %")


def test_every_form_of_scoring(tally, db):
    """A rotated model read from arrays, rows and jsonb, stepped, refined, judged."""
    rng = np.random.default_rng(14)
    points = rng.normal(size=(4, 3))[rng.integers(4, size=900)] * 4 + rng.normal(size=(900, 3)) @ rng.normal(size=(3, 3))
    db.load("points", points)
    db.run("DROP TABLE IF EXISTS named CASCADE; CREATE TABLE named AS SELECT i, x[1] AS a, x[2] AS b, x[3] AS c FROM points; ALTER TABLE named ADD PRIMARY KEY (i)")
    options = json.dumps({"components": 2, "scale": "zscore", "features": ["a", "b", "c"]})
    model = db.one("SELECT kmeans(ARRAY[a, b, c], 4, %s::jsonb)::text FROM named", (options,))
    parsed = json.loads(model)
    z = (points - parsed["offset"]) / np.array(parsed["scale"]) - parsed["rotation"]["center"]
    y = z @ np.array(parsed["rotation"]["axes"]).T
    squares = squares_to(y, np.array(parsed["centroids"]))
    labels = squares.argmin(axis=1).tolist()
    tally.equal("assign", db.assign("points", model), labels)
    same = """SELECT count(*) FROM named n, (SELECT %s::kmeans_model AS m) q WHERE kmeans_assign(m, n) = kmeans_assign(m, ARRAY[a, b, c])
              AND kmeans_assign(m, to_jsonb(n)) = kmeans_assign(m, ARRAY[a, b, c]) AND kmeans_score(m, n) = kmeans_score(m, ARRAY[a, b, c])
              AND kmeans_score(m, to_jsonb(n)) = kmeans_score(m, ARRAY[a, b, c]) AND kmeans_distance(m, n) = kmeans_distance(m, ARRAY[a, b, c])"""
    tally.equal("the three forms agree row by row", db.one(same, (model,)), 900)
    nearest = np.sqrt(np.sort(squares, axis=1))
    got = np.array(db.rows("SELECT (s).distance, (s).runner_up_distance FROM (SELECT i, kmeans_score(%s::kmeans_model, x) s FROM points) q ORDER BY i", (model,)))
    tally.close("score", got, nearest[:, :2], 1e-9, 1e-9)
    explained = db.rows("""SELECT feature, count(*) FROM named n, kmeans_explain(%s::kmeans_model, n) GROUP BY 1 ORDER BY 1""", (model,))
    tally.equal("explain has every feature of every row", explained, [("a", 900), ("b", 900), ("c", 900)])
    # What the features contribute adds up to how much nearer the own centroid is than the runner-up's, squared.
    sums = [v for v, in db.rows("SELECT sum(contribution) FROM named n, kmeans_explain(%s::kmeans_model, n) GROUP BY i ORDER BY i", (model,))]
    tally.check("contributions are finite", bool(np.isfinite(np.array(sums, dtype=float)).all()))
    centroids = np.array([v for v, in db.rows("SELECT scaled FROM kmeans_centroids(%s::kmeans_model)", (model,))]).reshape(4, 3)
    expected = np.array(parsed["centroids"]) @ np.array(parsed["rotation"]["axes"]) + parsed["rotation"]["center"]
    tally.close("centroids, scaled", centroids, expected, 1e-9, 1e-9)
    judged = db.named("SELECT (e).* FROM (SELECT kmeans_evaluate(%s::kmeans_model, x) e FROM points) q", (model,))
    tally.close("inertia of kmeans_evaluate", judged["inertia"], squares.min(axis=1).sum())
    tally.close("davies_bouldin of kmeans_evaluate", judged["davies_bouldin"], davies_bouldin_score(y, labels))
    stepped = json.loads(db.one("SELECT kmeans_step(%s::kmeans_model, x)::text FROM points", (model,)))
    means = np.array([y[np.array(labels) == s].mean(axis=0) for s in range(4)])
    tally.close("kmeans_step", stepped["centroids"], means, 1e-9, 1e-9)
    poor = db.one("SELECT kmeans(ARRAY[a, b, c], 4, %s::jsonb)::text FROM (SELECT * FROM named ORDER BY i LIMIT 60) n", (options,))
    db.run("DROP TABLE IF EXISTS poor; CREATE TABLE poor AS SELECT %s::kmeans_model AS model", (poor,))
    refined = db.one("SELECT segmentation.refine(model, 'named', ARRAY['a', 'b', 'c'], 50)::text FROM poor")
    tally.at_most("refine does not raise the inertia",
                  db.one("SELECT (kmeans_evaluate(%s::kmeans_model, x)).inertia FROM points", (refined,)),
                  db.one("SELECT (kmeans_evaluate(%s::kmeans_model, x)).inertia FROM points", (poor,)))


def test_lifecycle(tally, db):
    """A registered model of components: trained, retrained on moved rows, matched, verified."""
    rng = np.random.default_rng(15)
    centers = np.array([[0, 0, 0, 0], [8, 0, 8, 0], [0, 8, 0, 8]])
    points = centers[rng.integers(3, size=1200)] + rng.normal(size=(1200, 4))
    db.load("points", points)
    db.run("DROP TABLE IF EXISTS cards CASCADE; CREATE TABLE cards AS SELECT i AS id, x[1] AS a, x[2] AS b, x[3] AS c, x[4] AS d FROM points; ALTER TABLE cards ADD PRIMARY KEY (id)")
    trained = db.named("SELECT * FROM segmentation.train('rotated', 'cards', ARRAY['a','b','c','d'], 3, options => '{\"components\": 3}')")
    tally.equal("version", trained["version"], 1)
    model = json.loads(db.one("SELECT segmentation.model('rotated')::text"))
    tally.equal("components of the registered model", len(model["rotation"]["axes"]), 3)
    tally.equal("scaling of the registered model", model["scaling"], "zscore")
    before = [s for s, in db.rows("SELECT kmeans_assign('rotated', r) FROM cards AS r ORDER BY id")]
    tally.check("the groups are found", same_partition(before, squares_to(points, centers).argmin(axis=1).tolist()))
    verified = db.named("SELECT * FROM segmentation.verify('rotated', 1)")
    tally.equal("verify", (verified["same_data"], verified["same_model"]), (True, True))
    db.run("INSERT INTO cards SELECT id + 10000, a + 0.05, b, c - 0.05, d FROM cards WHERE id % 4 = 0")
    again = db.named("SELECT * FROM segmentation.retrain_once('rotated')")
    tally.equal("retrained", again["version"], 2)
    if not db.one("SELECT is_active FROM segmentation.model_versions WHERE model = 'rotated' AND version = 2"):
        db.run("SELECT segmentation.activate('rotated', 2)")
    after = [s for s, in db.rows("SELECT kmeans_assign('rotated', r) FROM cards AS r WHERE id < 10000 ORDER BY id")]
    tally.at_most("customers whose segment changed its id", sum(a != b for a, b in zip(before, after)), 12)
