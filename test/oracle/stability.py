"""Stability of segments beside a bootstrap of the same rows with numpy and scikit-learn: Hennig's definition, written out anew."""
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

SAMPLES = 200  # here; the server draws twice as many


def bootstrap(points, segments, k, weights=None, samples=SAMPLES, seed=0):
    """Per sample: the largest Jaccard similarity of every segment with a cluster, on the different rows drawn, and the adjusted Rand index."""
    generator = np.random.default_rng(seed)
    ids = np.unique(segments)
    jaccards, rand = [], []
    for sample in range(samples):
        rows = generator.integers(0, len(points), len(points))
        fitted = KMeans(k, n_init=10, random_state=sample).fit(points[rows], sample_weight=None if weights is None else weights[rows])
        drawn = np.unique(rows)
        clusters = fitted.predict(points[drawn])
        own = segments[drawn]
        jaccards.append([max(np.sum((own == i) & (clusters == c)) / np.sum((own == i) | (clusters == c)) for c in range(k)) for i in ids])
        rand.append(adjusted_rand_score(own, clusters))
    return np.array(jaccards), np.array(rand)


def agree(tally, name, got, sampled, got_samples):
    """Both are means of independent samples given the rows, so their difference has a variance of s^2 (1/n + 1/m). s is estimated here, and
    is not taken for less than what a single differing sample would make it."""
    deviation = max(np.std(sampled, ddof=1), 1 / len(sampled))
    error = deviation * np.sqrt(1 / len(sampled) + 1 / got_samples)
    tally.check(name, abs(got - np.mean(sampled)) <= 4 * error, f"{got} against {np.mean(sampled)} +- {error}")


def compare(tally, db, name, points, k, weights=None):
    table = f"rows_{name}"
    columns = [f"c{j}" for j in range(points.shape[1])]
    db.run(f"CREATE TABLE {table} (id integer PRIMARY KEY, weight float8, {', '.join(c + ' float8' for c in columns)})")
    for i, row in enumerate(points):
        db.run(f"INSERT INTO {table} VALUES (%s, %s, {', '.join(['%s'] * len(row))})", (i, 1.0 if weights is None else float(weights[i]), *map(float, row)))
    db.run(f"SELECT segmentation.train(%s, '{table}', %s, %s, weight => %s)", (name, columns, k, None if weights is None else "weight"))
    found = db.rows("SELECT segment, rows, jaccard, dissolved, adjusted_rand_index FROM segmentation.stability(%s, %s) ORDER BY segment", (name, 2 * SAMPLES))
    segments = np.array([s for s, in db.rows(f"SELECT kmeans_assign(%s, ARRAY[{', '.join(columns)}]) FROM {table} ORDER BY id", (name,))])
    # The space of the model: z-scores by the (weighted) population.
    mean = np.average(points, axis=0, weights=weights)
    space = (points - mean) / np.sqrt(np.average((points - mean) ** 2, axis=0, weights=weights))
    jaccards, rand = bootstrap(space, segments, k, weights)
    tally.equal(f"{name}: rows", [row[1] for row in found], [int(np.sum(segments == row[0])) for row in found])
    for i, (segment, _, jaccard, dissolved, _) in enumerate(found):
        agree(tally, f"{name}: Jaccard of segment {segment}", jaccard, jaccards[:, i], 2 * SAMPLES)
        agree(tally, f"{name}: dissolved, segment {segment}", dissolved, jaccards[:, i] <= 0.5, 2 * SAMPLES)
    agree(tally, f"{name}: adjusted Rand index", found[0][4], rand, 2 * SAMPLES)


def test_iris(tally, db):
    for k in (2, 3, 5):
        compare(tally, db, f"iris{k}", load_iris().data, k)


def test_groups_that_overlap(tally, db):
    generator = np.random.default_rng(1)
    centers = np.array([[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0], [0, 0, 2.5]])
    points = centers[generator.integers(0, 4, 600)] + generator.normal(size=(600, 3))
    compare(tally, db, "overlap", points, 4)
    compare(tally, db, "too_few", points, 2)
    compare(tally, db, "weighted", points, 3, generator.integers(1, 6, 600))


def test_one_gaussian(tally, db):
    """Reproducible is not real: DESIGN.md, section 5."""
    points = np.random.default_rng(2).normal(size=(1000, 2)) * [5, 1]
    db.run("CREATE TABLE gaussian (id integer PRIMARY KEY, x float8, y float8)")
    for i, (x, y) in enumerate(points):
        db.run("INSERT INTO gaussian VALUES (%s, %s, %s)", (i, float(x), float(y)))
    db.run("""SELECT segmentation.train('gaussian', 'gaussian', '{x,y}', 2, options => '{"scale": "none"}')""")
    found = db.rows("SELECT jaccard, verdict, structure FROM segmentation.stability('gaussian')")
    tally.equal("verdicts", [row[1:] for row in found], [("reproducible", "none")] * 2)
    tally.check("Jaccard of about 0.98", all(row[0] > 0.93 for row in found), str(found))
