"""What the themes share: a tally of checks, a database of their own, and a few queries."""
import contextlib
import io
import json
import math
import os
import sys
import time
import traceback

import numpy as np
import psycopg2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Tally:
    """Counts checks. A failed one is said at once; measured gaps are said by note()."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def run_theme(self, module, db):
        """Runs every function of the module whose name starts with test_, in the order they are written in."""
        tests = [f for name, f in vars(module).items() if name.startswith("test_") and callable(f)]
        for test in tests:
            before = (self.passed, self.failed, self.skipped)
            started = time.monotonic()
            try:
                test(self, db)
            except Exception:  # a test that cannot go on has failed; the others still run
                self.failed += 1
                print(f"FAILED  {module.__name__}.{test.__name__} raised:")
                traceback.print_exc(file=sys.stdout)
            now = (self.passed, self.failed, self.skipped)
            if now == before:
                self.failed += 1
                print(f"FAILED  {module.__name__}.{test.__name__} checked nothing")
            passed, failed, skipped = (a - b for a, b in zip(now, before))
            print(f"{module.__name__}.{test.__name__}: {passed} passed, {failed} failed, {skipped} skipped, "
                  f"{time.monotonic() - started:.1f} s", flush=True)

    def check(self, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED  {name}{': ' if detail else ''}{detail}", flush=True)
        return bool(ok)

    def equal(self, name, got, want):
        return self.check(name, got == want, f"got {got!r}, want {want!r}")

    def close(self, name, got, want, relative=1e-9, absolute=0.0):
        """Numbers or arrays of one shape, every element within relative * |want| + absolute."""
        try:
            got, want = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
        except (TypeError, ValueError):
            return self.check(name, False, f"not numbers: got {got!r}")
        if got.shape != want.shape:
            return self.check(name, False, f"shape {got.shape} for {want.shape}")
        if got.size == 0:
            return self.check(name, False, "nothing to compare")
        gap = np.abs(got - want) - (relative * np.abs(want) + absolute)
        gap = np.where(np.isnan(got) | np.isnan(want), np.inf, gap)
        at = np.unravel_index(np.argmax(gap), gap.shape)
        return self.check(name, gap[at] <= 0, f"got {got[at]!r}, want {want[at]!r} at {at}")

    def same_bits(self, name, got, want):
        got, want = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
        if got.shape != want.shape or got.size == 0:
            return self.check(name, False, f"shape {got.shape} for {want.shape}")
        different = got.view(np.int64) != want.view(np.int64)
        return self.check(name, not different.any(), f"{different.sum()} of {different.size} differ, first "
                          f"{got[different][:1]!r} for {want[different][:1]!r}")

    def at_most(self, name, got, limit):
        return self.check(name, got <= limit, f"{got!r} is above {limit!r}")

    def skip(self, name, why):
        self.skipped += 1
        print(f"SKIPPED {name}: {why}", flush=True)

    @staticmethod
    def note(text):
        print(f"        {text}", flush=True)


class Database:
    def __init__(self, connection):
        self.connection = connection
        self.cursor = connection.cursor()

    def run(self, sql, parameters=None):
        self.cursor.execute(sql, parameters)

    def rows(self, sql, parameters=None):
        self.cursor.execute(sql, parameters)
        return self.cursor.fetchall()

    def row(self, sql, parameters=None):
        rows = self.rows(sql, parameters)
        assert len(rows) == 1, f"{len(rows)} rows from {sql}"
        return rows[0]

    def one(self, sql, parameters=None):
        return self.row(sql, parameters)[0]

    def named(self, sql, parameters=None):
        """One row as a dict."""
        values = self.row(sql, parameters)
        return dict(zip((column.name for column in self.cursor.description), values))

    def load(self, table, points, weights=None):
        """Table (i int, x float8[], w float8) of the rows of a matrix."""
        points = np.asarray(points, dtype=float)
        weights = np.ones(len(points)) if weights is None else np.asarray(weights, dtype=float)
        text = io.StringIO()
        for i, (point, weight) in enumerate(zip(points.tolist(), weights.tolist())):
            text.write(f"{i}\t{{{','.join(map(repr, point))}}}\t{weight!r}\n")
        text.seek(0)
        self.run(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (i int, x float8[], w float8)")
        self.cursor.copy_expert(f"COPY {table} FROM STDIN", text)
        self.run(f"ANALYZE {table}")

    def fit(self, table, k, options=None, weighted=False):
        """The text of the model that kmeans makes of such a table."""
        weight = ", w" if weighted else ""
        return self.one(f"SELECT kmeans(x, %s, %s::jsonb{weight})::text FROM {table}", (k, json.dumps(options or {})))

    def assign(self, table, model):
        """Segments of the rows of such a table, by i; None where there is none."""
        return [s for s, in self.rows(f"SELECT kmeans_assign(%s::kmeans_model, x) FROM {table} ORDER BY i", (model,))]

    def info(self, model):
        return self.named("SELECT * FROM kmeans_info(%s::kmeans_model)", (model,))


@contextlib.contextmanager
def own_database():
    """A Database with the extension in it, dropped afterwards."""
    name = f"segmentation_oracle_{os.getpid()}"
    outer = psycopg2.connect(dbname=os.environ.get("PGDATABASE", "postgres"))
    outer.autocommit = True
    outer.cursor().execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    try:
        connection = psycopg2.connect(dbname=name)
        connection.autocommit = True
        try:
            db = Database(connection)
            db.run("CREATE EXTENSION segmentation")
            yield db
        finally:
            connection.close()
    finally:
        outer.cursor().execute(f"DROP DATABASE {name}")
        outer.close()


# ---- definitions, in numpy --------------------------------------------------------------------------------------------

def squares_to(points, centroids):
    """Squared distances rows x centroids, each the sum over the columns in their order, as the models' format fixes it."""
    total = np.zeros((len(points), len(centroids)))
    for j in range(points.shape[1]):
        difference = points[:, j, None] - centroids[None, :, j]
        total += difference * difference
    return total


def inertia_of(points, centroids, weights=None):
    nearest = squares_to(points, centroids).min(axis=1)
    return math.fsum(nearest if weights is None else nearest * weights)


def simplified_silhouette(points, centroids, weights=None):
    """Mean of (b - a) / max(a, b), a and b the distances to the nearest and the second nearest centroid."""
    two = np.sqrt(np.sort(squares_to(points, centroids), axis=1)[:, :2])
    largest = np.where(two[:, 1] > 0, two[:, 1], 1)
    return np.average((two[:, 1] - two[:, 0]) / largest, weights=weights)


def same_partition(a, b):
    """Whether two labellings are equal up to the names of the labels."""
    pairs = set(zip(a, b))
    return len(a) == len(b) and len(pairs) == len(set(a)) == len(set(b))


def gap(got, best):
    """By how much a cost is above another, in percent."""
    return 100 * (got / best - 1)
