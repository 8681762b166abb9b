"""The others: scikit-learn, FAISS, R, and SQL without the extension. Each gets its best fair chance, said where it is given."""
import inspect
import io
import os
import subprocess
import tempfile
import time

import numpy as np
import sklearn.cluster._kmeans as sklearn_inside
from sklearn.cluster import KMeans
from sklearn.neighbors import LocalOutlierFactor
from threadpoolctl import threadpool_limits

from race import Timed
from server import copy_in, copy_out, features, parse_doubles


try:
    import faiss
except ImportError:
    faiss = None  # said by the contender


def limited(threads):
    """Threads of BLAS and OpenMP, as a context."""
    return threadpool_limits(limits=threads)


# ---- Lloyd's algorithm in memory ------------------------------------------------------------------------------------------

def sklearn_iterations(points, start, iterations, threads, algorithm):
    """A contender: seconds of one iteration. It is the function inside KMeans.fit, so that checking, copying and centring the data
    are not counted; where another version of scikit-learn has another one, all of fit."""
    single = getattr(sklearn_inside, f"_kmeans_single_{algorithm}", None)
    known = inspect.signature(single).parameters if single else {}
    weights = np.ones(len(points))

    def contender():
        with limited(threads):
            if {"X", "sample_weight", "centers_init", "max_iter", "tol", "n_threads"} <= set(known) and "x_squared_norms" not in known:
                centers = start.copy()  # is written to
                before = time.perf_counter()
                _, inertia, _, made = single(points, weights, centers, max_iter=iterations, tol=0, n_threads=threads)
            else:
                model = KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0, algorithm=algorithm)
                before = time.perf_counter()
                model.fit(points)
                inertia, made = model.inertia_, model.n_iter_
            return Timed((time.perf_counter() - before) / made, {"inertia": float(inertia), "iterations": int(made)})
    return contender


def faiss_iterations(points32, start, iterations, threads):
    """A contender: seconds of one iteration, in single precision. The limits that would draw a sample are lifted."""
    def contender():
        if faiss is None:
            raise RuntimeError("FAISS is not installed")
        faiss.omp_set_num_threads(threads)
        with limited(threads):
            kmeans = faiss.Kmeans(points32.shape[1], len(start), niter=iterations, nredo=1, min_points_per_centroid=1,
                                  max_points_per_centroid=len(points32))
            before = time.perf_counter()
            inertia = kmeans.train(points32, init_centroids=start.astype(np.float32))
            return Timed((time.perf_counter() - before) / iterations, {"inertia": float(inertia), "iterations": iterations})
    return contender


R_PROGRAM = """
args <- commandArgs(TRUE)
d <- as.integer(args[3])
x <- matrix(readBin(args[1], "double", as.numeric(args[2]) * d), ncol = d, byrow = TRUE)
start <- matrix(readBin(args[4], "double", as.integer(args[5]) * d), ncol = d, byrow = TRUE)
time <- system.time(fit <- suppressWarnings(kmeans(x, start, iter.max = as.integer(args[6]), algorithm = "Lloyd")))
cat(sprintf("%.6f %d", time[["elapsed"]], as.integer(fit$iter)))
"""


def r_fit(points, start, iterations, directory):
    """A contender: R's kmeans(algorithm = "Lloyd"), timed inside R. It has one thread."""
    def contender():
        with tempfile.TemporaryDirectory(dir=directory) as own:
            names = [os.path.join(own, name) for name in ("points", "start", "fit.R")]
            points.tofile(names[0])
            start.tofile(names[1])
            with open(names[2], "w") as program:
                program.write(R_PROGRAM)
            out = subprocess.run(["Rscript", names[2], names[0], str(len(points)), str(points.shape[1]), names[1], str(len(start)),
                                  str(iterations)], capture_output=True, text=True)
        if out.returncode:
            raise RuntimeError((out.stderr.strip().splitlines() or ["Rscript failed"])[0])
        seconds, made = out.stdout.split()
        return Timed(float(seconds), {"iterations": int(made)})
    return contender


# ---- a whole fit -------------------------------------------------------------------------------------------------------------

def sklearn_fit(points, k, threads, n_init=10, algorithm="lloyd", init="k-means++", **options):
    with limited(threads):
        before = time.perf_counter()
        model = KMeans(k, init=init, n_init=n_init, random_state=0, algorithm=algorithm, **options).fit(points)
        return Timed(time.perf_counter() - before, {"inertia": float(model.inertia_), "iterations": int(model.n_iter_)})


def sklearn_outliers(points, neighbors, threads):
    with limited(threads):
        before = time.perf_counter()
        fitted = LocalOutlierFactor(neighbors, n_jobs=threads).fit(points)
        return Timed(time.perf_counter() - before, -fitted.negative_outlier_factor_)


class RoundTrip:
    """COPY out, parse, scale, fit, predict, write the labels back, in Python with psycopg2, numpy and scikit-learn.

    binary: COPY in the binary format, read by numpy without a loop: the fastest way that we know. Otherwise COPY as text, read by
    numpy's parser of numbers. Labels are those that fit has anyway, and go back by binary COPY.
    """

    def __init__(self, session, table, dimensions, k, threads, binary=True, scale=False, labels_to=None, **kmeans):
        self.session, self.table, self.dimensions, self.k, self.threads = session, table, dimensions, k, threads
        self.binary, self.scale, self.labels_to, self.kmeans = binary, scale, labels_to, kmeans
        self.format = "binary" if binary else "text"
        self.name = f"Python round trip ({self.format} COPY)"

    def __call__(self):
        cursor, phases, clock = self.session.cursor, {}, [time.perf_counter()]

        def done(phase):
            now = time.perf_counter()
            phases[phase] = phases.get(phase, 0) + now - clock[0]
            clock[0] = now

        columns = (["id::float8"] if self.labels_to else []) + features(self.dimensions)
        query = f"SELECT {', '.join(columns)} FROM {self.table}"
        if self.binary:
            data = copy_out(cursor, query)
            done("copy out")
            points = parse_doubles(data, len(columns))
        else:
            text = io.BytesIO()
            cursor.copy_expert(f"COPY ({query}) TO STDOUT", text)
            data = text.getvalue()
            done("copy out")
            points = np.fromstring(data, sep=" ").reshape(-1, len(columns))
        if self.labels_to:
            ids = points[:, 0].astype(np.int32)
            points = np.ascontiguousarray(points[:, 1:])
        del data
        done("parse")
        if self.scale:
            mean, deviation = points.mean(axis=0), points.std(axis=0)
            points -= mean
            points /= deviation
            options = dict(self.kmeans)
            if not isinstance(options.get("init", ""), str):
                options["init"] = (options["init"] - mean) / deviation
            done("scale")
        else:
            options = self.kmeans
        with limited(self.threads):
            model = KMeans(self.k, random_state=0, copy_x=False, **options).fit(points)
        done("fit")
        if self.labels_to:
            cursor.execute(f"DROP TABLE IF EXISTS {self.labels_to}; CREATE TABLE {self.labels_to} (id int, segment int)")
            copy_in(cursor, self.labels_to, [ids, model.labels_.astype(np.int32)])
            done("write back")
        return {"inertia": float(model.inertia_), "iterations": int(model.n_iter_), "phases": phases}


# ---- SQL without the extension -----------------------------------------------------------------------------------------------

def square(center):
    terms = [f"({name} - {value!r}) * ({name} - {value!r})" for name, value in zip(features(len(center)), center)]
    return " + ".join(terms).replace("- -", "+ ")


def case_over_columns(centers, ids, table):
    """sum(segment), the distances computed once a row in a subquery that is kept apart, and a CASE that picks the least."""
    distances = ", ".join(f"{square(center)} AS d{i}" for i, center in enumerate(centers))
    names = [f"d{i}" for i in range(len(centers))]
    picks = " ".join(f"WHEN {name} THEN {segment}" for name, segment in zip(names, ids))
    return (f"SELECT sum(CASE least({', '.join(names)}) {picks} END) FROM "
            f"(SELECT {distances} FROM {table} OFFSET 0) AS t")


def case_tournament(centers, ids, table):
    """sum(segment): one CASE, each WHEN compares a distance with those that follow. Expressions are repeated, not rows."""
    whens = []
    for i in range(len(centers) - 1):
        others = [f"{square(centers[i])} <= {square(center)}" for center in centers[i + 1:]]
        whens.append(f"WHEN {' AND '.join(others)} THEN {ids[i]}")
    return f"SELECT sum(CASE {' '.join(whens)} ELSE {ids[-1]} END) FROM {table}"


def case_lateral(centers, ids, table):
    """sum(segment): the least of (distance, id) over a VALUES list for each row, the textbook query."""
    d = len(centers[0])
    values = ", ".join(f"({i}, {', '.join(f'{value!r}::float8' for value in center)})" for i, center in zip(ids, centers))
    names = ", ".join(f"c{j + 1}" for j in range(d))
    distance = " + ".join(f"(f{j + 1} - c{j + 1}) * (f{j + 1} - c{j + 1})" for j in range(d))
    return (f"SELECT sum(nearest.id) FROM {table}, LATERAL (SELECT id FROM (VALUES {values}) AS c(id, {names}) "
            f"ORDER BY {distance}, id LIMIT 1) AS nearest")
