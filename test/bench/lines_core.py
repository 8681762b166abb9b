"""Lines 1 and 10: one iteration of Lloyd's algorithm in memory, without a server."""
import json
import math
import os
import subprocess

import numpy as np

from memory import available_bytes
from peers import faiss_iterations, sklearn_iterations
from race import Timed
from server import start_rows

DIMENSIONS = (2, 8, 32)
CLUSTERS = (2, 8, 32, 100)
GROUPS = 20  # of the data of that name
BLOCK = 250_000


class Core:
    """The program core_grid with one set of data."""

    def __init__(self, program, data, rows, dimensions, directory):
        self.directory = directory
        self.process = subprocess.Popen([program, data, str(rows), str(dimensions)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.prepare_seconds = self._answer()["ready"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"core_grid ended with status {self.process.wait()}")
        return json.loads(line)

    def iterations(self, start, iterations, threads):
        """A contender: seconds of one iteration."""
        path = os.path.join(self.directory, "start.f64")

        def contender():
            start.tofile(path)
            print(path, len(start), iterations, threads, file=self.process.stdin, flush=True)
            answer = self._answer()
            return Timed(answer["seconds"] / answer["iterations"], answer)
        return contender

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def write_data(path, data, rows, dimensions):
    """uniform: in the unit cube. groups: 20 round groups that overlap a little, of unequal sizes."""
    random = np.random.default_rng(dimensions)
    centers = random.uniform(0, 10, (GROUPS, dimensions))
    shares = random.dirichlet(np.full(GROUPS, 3.0))
    with open(path, "wb") as file:
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            if data == "uniform":
                block = random.random((count, dimensions))
            else:
                block = centers[random.choice(GROUPS, count, p=shares)] + random.standard_normal((count, dimensions)) * 1.5
            file.write(block.astype("<f8").tobytes())


def needed_bytes(rows, dimensions, k, elkan):
    """Ours with its copies in single precision, the array of doubles of the peers, that of floats, and Elkan's bounds."""
    return rows * dimensions * 8 * 3 + (rows * k * 8 if elkan else 0) + rows * 40


def grid(bench):
    """(data, rows, dimensions, clusters, threads) to measure."""
    every = [(data, rows, d, k, threads) for data in ("uniform", "groups") for d in DIMENSIONS
             for rows in (bench.rows // 10, bench.rows, bench.large) for k in CLUSTERS for threads in sorted({1, bench.threads})]

    def wanted(cell):
        data, rows, d, k, threads = cell
        if bench.quick and not bench.grid:
            return rows == bench.rows and d > 2 and 2 < k < 100
        return rows < bench.large or bench.grid or (data == "uniform" and d == 8 and threads == bench.threads)
    return [cell for cell in every if wanted(cell)]


def iterations_of(rows):
    return 5 if rows > 2_000_000 else 10


def measure_cell(bench, core, points, points32, data, k, threads):
    rows, d = points.shape
    iterations = iterations_of(rows)
    start = start_rows(points, k)
    contenders = {"ours": core.iterations(start, iterations, threads),
                  "scikit-learn Lloyd": sklearn_iterations(points, start, iterations, threads, "lloyd")}
    if needed_bytes(rows, d, k, True) < available_bytes():
        contenders["scikit-learn Elkan"] = sklearn_iterations(points, start, iterations, threads, "elkan")
    else:
        bench.leave_out(f"line 1: scikit-learn Elkan at n={rows:,} d={d} k={k}: its bounds do not fit into memory")
    contenders["FAISS"] = faiss_iterations(points32, start, iterations, threads)
    timings = bench.race(f"line 1: {data} n={rows:,} d={d} k={k} threads={threads}", contenders, line=1, data=data, n=rows, d=d, k=k,
                         threads=threads, iterations=iterations, budget=60)
    return timings


def check_equal(timings):
    """Same data, start and iterations have to give the same result: the largest relative difference of inertia, FAISS aside (it is
    single precision, and its inertia is that of the last assignment but one)."""
    values = [t.value["inertia"] for name, t in timings.items() if t.value and name != "FAISS" and t.value["iterations"]]
    return (max(values) - min(values)) / max(values) if len(values) > 1 else 0.0


def line_1(bench, tables):
    results = []
    cells = grid(bench)
    if not bench.grid:
        bench.left_out.append(f"line 1: n={bench.large:,} but for uniform data, d=8, {bench.threads} threads (--grid has all of it)")
    for data in ("uniform", "groups"):
        for d in DIMENSIONS:
            of_these = [c for c in cells if c[0] == data and c[2] == d]
            largest = max((c[1] for c in of_these), default=0)
            while largest and needed_bytes(largest, d, 2, False) > available_bytes() * 0.9:
                bench.leave_out(f"line 1: {data} n={largest:,} d={d}: does not fit into memory")
                of_these = [c for c in of_these if c[1] < largest]
                largest = max((c[1] for c in of_these), default=0)
            if not largest:
                continue
            path = os.path.join(bench.work_directory, "points.f64")
            write_data(path, data, largest, d)
            try:
                for rows in sorted({c[1] for c in of_these}):
                    points = np.fromfile(path, dtype="<f8", count=rows * d).reshape(rows, d)
                    points32 = points.astype(np.float32)
                    core = Core(bench.core_program, path, rows, d, bench.work_directory)
                    try:
                        for _, _, _, k, threads in (c for c in of_these if c[1] == rows):
                            timings = measure_cell(bench, core, points, points32, data, k, threads)
                            results.append({"data": data, "n": rows, "d": d, "k": k, "threads": threads, "timings": timings,
                                            "prepare": core.prepare_seconds, "iterations": iterations_of(rows)})
                    finally:
                        core.close()
                        del points, points32
            finally:
                os.unlink(path)
    summarize_grid(bench, results)


PEERS = ("scikit-learn Lloyd", "scikit-learn Elkan", "FAISS")


def ratios(results, peers):
    """(the fastest of the peers / ours, cell), where both ran."""
    found = []
    for cell in results:
        times = [cell["timings"][p].ms for p in peers if p in cell["timings"] and cell["timings"][p].ms]
        ours = cell["timings"]["ours"].ms
        if times and ours:
            found.append((min(times) / ours, cell))
    return found


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def fastest(cell):
    return min((p for p in PEERS if p in cell["timings"] and cell["timings"][p].ms), key=lambda p: cell["timings"][p].ms)


def where(cell):
    return f"n={cell['n']:,} d={cell['d']} k={cell['k']}, {cell['threads']} thread(s)"


def summarize_grid(bench, results):
    for data in ("uniform", "groups"):
        cells = [c for c in results if c["data"] == data]
        failed = sorted({t.error for c in cells for t in c["timings"].values() if t.error})
        fewer = sum(c["timings"]["ours"].value["threads"] < c["threads"] for c in cells if c["timings"]["ours"].value)
        note = "; ".join(failed + ([f"ours used fewer threads than asked for in {fewer} cells"] if fewer else []))
        lloyd = ratios(cells, PEERS[:1])
        bench.at_least(1, f"grid of {len(cells)} cells, geometric mean against scikit-learn Lloyd", data,
                       geometric_mean([r for r, _ in lloyd]), "×", 2.5, note)
        for k in (8, 32):
            for cell in (c for c in cells if c["d"] == 8 and c["k"] == k and c["n"] == bench.rows):
                bench.faster(1, f"one iteration, n={cell['n']:,} d=8 k={k}, {cell['threads']} thread(s)", data, cell["timings"]["ours"],
                             cell["timings"]["scikit-learn Lloyd"], 2.5)
        found = ratios(cells, PEERS)
        if found:
            worst, cell = min(found, key=lambda pair: pair[0])
            slower = sum(ratio < 1 for ratio, _ in found)
            bench.at_least(1, "worst cell against the fastest of the peers", data, worst, "×", 1,
                           f"{where(cell)}, the fastest was {fastest(cell)}; ours is slower in {slower} of {len(found)} cells; "
                           f"geometric mean {geometric_mean([r for r, _ in found]):.2f}×")
        for peer in PEERS:
            found = ratios(cells, [peer])
            if found:
                worst, cell = min(found, key=lambda pair: pair[0])
                bench.at_least(1, f"worst cell against {peer}", data, worst, "×", None,
                               f"{where(cell)}; geometric mean {geometric_mean([r for r, _ in found]):.2f}×")
        differences = [check_equal(c["timings"]) for c in cells]
        if differences:
            bench.at_most(1, "largest difference of inertia between ours and scikit-learn's", data, 100 * max(differences), "%", None,
                          "same data, start and number of iterations: shows that the same work was done")
        with_preparing = [cell["timings"]["scikit-learn Lloyd"].ms / (cell["timings"]["ours"].ms + 1000 * cell["prepare"] / cell["iterations"])
                       for _, cell in lloyd]
        bench.at_least(1, "geometric mean against scikit-learn Lloyd, if preparing the rows counted too", data,
                       geometric_mean(with_preparing), "×", None, "once for all iterations of a call: 10, or 5 above 2,000,000 rows")
        prepared = [(c["prepare"] * 1000, c) for c in cells if c["n"] == bench.rows and c["d"] == 8]
        if prepared:
            bench.at_most(1, f"preparing {bench.rows:,} rows of 8 once, before the iterations; in no ratio", data, prepared[0][0], "ms")


def line_10(bench, tables):
    rows, d, k = bench.rows, 32, 32
    for data in ("uniform", "groups"):
        path = os.path.join(bench.work_directory, "points.f64")
        write_data(path, data, rows, d)
        core = None
        try:
            start = start_rows(np.fromfile(path, dtype="<f8").reshape(rows, d), k)
            core = Core(bench.core_program, path, rows, d, bench.work_directory)
            timings = bench.race(f"line 10: {data} n={rows:,} d={d} k={k}", {"two threads": core.iterations(start, 10, 2),
                                                                            "one thread": core.iterations(start, 10, 1)},
                                 line=10, data=data, n=rows, d=d, k=k)
            used = (timings["two threads"].value or {}).get("threads")
            bench.faster(10, f"one iteration, n={rows:,} d={d} k={k}", data, timings["two threads"], timings["one thread"], 1.7,
                         "" if used == 2 else f"{used} thread(s) were used where two were asked for")
        finally:
            if core:
                core.close()
            os.unlink(path)
