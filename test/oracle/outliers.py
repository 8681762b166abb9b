"""Local outlier factors against scikit-learn.

Where a row has several others at the distance of its last neighbour, scikit-learn takes some of them: which, depends on its algorithm
and on the order of the rows. Ours are those that come first in ascending order. So three things are compared: with all of scikit-learn's
LocalOutlierFactor where no choice is involved; with the same class given the neighbours by our rule (metric="precomputed") everywhere;
and how far scikit-learn is from itself where rows come in another order, as a note.
"""
import csv

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.neighbors import LocalOutlierFactor

from harness import squares_to
from study import DATA, FEATURES, NAMES, load as load_study

TOLERANCE = 1e-9  # relative


def ours(db, points, neighbors):
    db.load("outlier_points", points)
    return np.array([f for f, in db.rows(
        "SELECT f FROM (SELECT i, local_outlier_factor(x, %s) OVER () AS f FROM outlier_points) AS t ORDER BY i", (neighbors,))])


def theirs(points, neighbors, algorithm="kd_tree"):
    return -LocalOutlierFactor(min(neighbors, len(points) - 1), algorithm=algorithm).fit(points).negative_outlier_factor_


def nearest(points, k):
    """By the definition: the k nearest others of each row, ties in ascending order of the rows; and whether a tie was cut in two."""
    squares = squares_to(points, points)
    np.fill_diagonal(squares, np.inf)
    rank = np.empty(len(points), dtype=int)
    rank[np.lexsort(points.T[::-1])] = np.arange(len(points))
    order = np.lexsort((np.broadcast_to(rank, squares.shape), squares), axis=1)
    rows = np.arange(len(points))
    last = order[:, k - 1]
    # The first that is left out is as near as the last that is taken, and another row. Near to within rounding: scikit-learn's brute force rounds.
    cut = np.zeros(len(points), dtype=bool)
    if k < len(points) - 1:
        next_one = order[:, k]
        tied = squares[rows, next_one] <= squares[rows, last] * (1 + 1e-12)
        for i in np.flatnonzero(tied):
            shell = points[np.abs(squares[i] - squares[i, last[i]]) <= 1e-12 * squares[i, last[i]]]
            cut[i] = (shell != shell[0]).any()
    return order[:, :k], np.sqrt(np.take_along_axis(squares, order[:, :k], axis=1)), cut


def by_our_rule(points, neighbors):
    """scikit-learn's factors of neighbours that were found by the definition, and the rows that no cut tie has a part in."""
    n, k = len(points), min(neighbors, len(points) - 1)
    order, distances, cut = nearest(points, k)
    # A graph of neighbours: the row itself comes first, as it does in scikit-learn's own.
    columns = np.hstack([np.arange(n)[:, None], order])
    values = np.hstack([np.zeros((n, 1)), distances])
    graph = csr_matrix((values.ravel(), columns.ravel(), np.arange(0, n * (k + 1) + 1, k + 1)), shape=(n, n))
    factors = -LocalOutlierFactor(k, metric="precomputed").fit(graph).negative_outlier_factor_
    return factors, ~cut & ~cut[order].any(axis=1)


def compare(tally, db, name, points, neighbors):
    points = np.asarray(points, dtype=float)
    found = ours(db, points, neighbors)
    expected, certain = by_our_rule(points, neighbors)
    tally.close(f"{name}, {neighbors} neighbours: scikit-learn with neighbours by our rule", found, expected, TOLERANCE)
    reference = theirs(points, neighbors)
    if certain.any():
        tally.close(f"{name}, {neighbors} neighbours: scikit-learn where no tie is cut", found[certain], reference[certain], TOLERANCE)
    shuffled = np.random.default_rng(1).permutation(len(points))
    again = np.empty(len(points))
    again[shuffled] = theirs(points[shuffled], neighbors)
    moved = np.abs(again / reference - 1)
    tally.note(f"{name}, {neighbors} neighbours: {certain.sum()} of {len(points)} rows without a cut tie; "
               f"ours is within {np.abs(found / reference - 1).max():.2g} of scikit-learn everywhere, "
               f"scikit-learn within {moved.max():.2g} of itself on shuffled rows ({(moved > TOLERANCE).sum()} rows differ)")
    return found


def test_card_customers(tally, db):
    """The rows that the reference analysis leaves out: LOF with 20 neighbours and contamination 0.05, raw units."""
    reference = load_study(tally, db, "card_customers of outliers")
    if reference is None:
        return
    rows = db.rows(f'SELECT "Customer Id", local_outlier_factor({FEATURES}, 20) OVER () FROM customers ORDER BY 1')
    ids, factors = zip(*rows)
    with open(DATA, encoding="utf-8") as file:
        points = np.array([[float(row[name]) for name in NAMES] for row in csv.DictReader(file)])
    for algorithm in ("auto", "kd_tree", "ball_tree", "brute"):
        tally.close(f"card customers, algorithm {algorithm}", factors, theirs(points, 20, algorithm), TOLERANCE)
    threshold = np.percentile(-np.array(factors), 5)
    tally.close("threshold of the card customers", threshold, reference["outliers"]["threshold_negative_outlier_factor"], TOLERANCE)
    tally.equal("the card customers that are left out", [i for i, f in zip(ids, factors) if -f < threshold],
                reference["outliers"]["removed_customer_ids"])
    compare(tally, db, "card customers", points, 20)


def test_no_ties(tally, db):
    """Where no two distances are equal every algorithm of scikit-learn has the same neighbours, and so have we."""
    rng = np.random.default_rng(11)
    for n, d, k in ((2, 1, 20), (5, 2, 20), (300, 1, 5), (1000, 2, 20), (1000, 6, 20), (500, 10, 35), (400, 30, 20)):
        points = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-2, 3, size=d)
        found = ours(db, points, k)
        for algorithm in ("auto", "kd_tree", "ball_tree", "brute"):
            tally.close(f"no ties, n={n} d={d} k={k}, algorithm {algorithm}", found, theirs(points, k, algorithm), TOLERANCE)


def test_ties_and_duplicates(tally, db):
    rng = np.random.default_rng(12)
    iris = load_iris().data
    tally.check("iris has duplicates", len(np.unique(iris, axis=0)) < len(iris))
    for k in (1, 5, 20):
        compare(tally, db, "iris", iris, k)
    compare(tally, db, "wine", load_wine().data, 20)
    compare(tally, db, "digits", load_digits().data[:800], 20)
    compare(tally, db, "grid of 8 x 8 x 8", rng.integers(0, 8, size=(500, 3)), 20)
    compare(tally, db, "grid of 30 x 30", rng.integers(0, 30, size=(1000, 2)), 10)
    compare(tally, db, "whole numbers in six columns", np.round(rng.normal(size=(1000, 6)) * 10), 20)
    # More equal rows than neighbours: densities of 10^10.
    heaps = np.vstack([np.repeat(rng.integers(0, 9, size=(12, 2)), rng.integers(1, 60, size=12), axis=0), rng.normal(size=(100, 2)) * 3])
    compare(tally, db, "heaps of equal rows", heaps, 20)


def test_sample_customers(tally, db):
    points = np.array([row for row, in db.rows(
        "SELECT ARRAY[age, income, years_employed, card_debt]::float8[] FROM segmentation.sample_customers(2000, 5) ORDER BY customer_id")])
    compare(tally, db, "sample customers", points, 20)
    compare(tally, db, "age and years employed of sample customers", points[:, [0, 2]], 20)


def test_partitions(tally, db):
    """Each partition is scored by itself; rows without all features are nobody's neighbours."""
    rng = np.random.default_rng(13)
    points = rng.normal(size=(600, 3))
    db.load("outlier_points", points)
    rows = db.rows("""SELECT i, local_outlier_factor(CASE i % 10 WHEN 1 THEN NULL WHEN 2 THEN ARRAY[x[1], NULL, x[3]] WHEN 3 THEN ARRAY[x[1], 'NaN', x[3]]
                             WHEN 4 THEN ARRAY['-Infinity', x[2], x[3]] ELSE x END, 15) OVER (PARTITION BY i % 4 ORDER BY i ROWS 2 PRECEDING)
                        FROM outlier_points ORDER BY i""")
    used = np.array([i % 10 not in (1, 2, 3, 4) for i in range(600)])
    factors = np.array([np.nan if f is None else f for _, f in rows])
    tally.equal("rows without a factor", np.isnan(factors).tolist(), (~used).tolist())
    for part in range(4):
        of_part = used & (np.arange(600) % 4 == part)
        tally.close(f"partition {part}", factors[of_part], theirs(points[of_part], 15), TOLERANCE)
