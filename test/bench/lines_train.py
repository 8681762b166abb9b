"""Lines 2, 3, 4, 5, 6, 8 and 12, and the quality: training in the server."""
import json

import numpy as np

from memory import Sampler, available_bytes
from peers import RoundTrip, r_fit, sklearn_fit
from race import Timing, first_line
from server import Session, array_of, kmeans_query, start_rows

ITERATIONS = 20
EXACT = "680MB"
SCALE = {"uniform": None, "customers": "zscore"}  # the columns of the customers have different units
DATA = tuple(SCALE)
# Which round trips count for the targets of lines 2, 3, 5 and 8: the targets were set when COPY as text had been measured (3.3 to
# 3.6 s for line 2); by binary COPY the round trip takes a third of that.
JUDGED = ("binary", "text")


def query_session(bench, **settings):
    return Session(max_parallel_workers_per_gather=bench.threads, segmentation__threads=bench.threads, **settings)


def floor(table):
    return f"SELECT count({array_of(8)}) FROM {table}"


def scaled(points, scale):
    return (points - points.mean(axis=0)) / points.std(axis=0) if scale else points


def inertia(points, centers):
    """Sum of squared distances to the nearest center, exactly as defined, some rows at a time."""
    total = 0.0
    for first in range(0, len(points), 100_000):
        block = points[first:first + 100_000]
        best = np.full(len(block), np.inf)
        for center in centers:
            difference = block - center
            np.minimum(best, np.einsum("ij,ij->i", difference, difference), out=best)
        total += best.sum()
    return total


def trained(timing):
    """What the model says of its training, for notes."""
    if not timing.value:
        return ""
    fit = json.loads(timing.value)["fit"]
    return f"{fit['iterations']} iterations{'' if fit['exact'] else ', not exact'}"


def model_inertia(timing):
    return json.loads(timing.value)["metrics"]["inertia"] if timing.value else None


def note_of(*parts):
    return "; ".join(part for part in parts if part)


def phases(timing):
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in timing.value["phases"].items()) if timing.value else ""


def beat(bench, line, what, data, ours, timing, trip, at_least, note=""):
    """The row of a round trip."""
    bench.faster(line, what, data, ours, timing, at_least if trip.format in JUDGED else None, note_of(note, phases(timing)))


# ---- lines 2 and 3 -----------------------------------------------------------------------------------------------------------

def explicit(bench, tables, line, k, at_least, at_most_floor):
    for data in DATA:
        table = tables.plain(data, bench.rows)
        points = tables.matrix(table)
        start = start_rows(points, k)
        session = query_session(bench)
        query = kmeans_query(table, k, init=start, iterations=ITERATIONS, scale=SCALE[data])
        options = {"init": start, "n_init": 1, "max_iter": ITERATIONS, "tol": 0}
        binary, text = (RoundTrip(session, table, 8, k, bench.threads, binary, bool(SCALE[data]), **options) for binary in (True, False))
        single = Session(max_parallel_workers_per_gather=0, segmentation__threads=1)
        threaded = Session(max_parallel_workers_per_gather=0, segmentation__threads=bench.threads)
        contenders = {"ours": session.timed(query), "array floor": session.timed(floor(table)),
                      "ours, no workers, threads": threaded.timed(query),
                      "ours, one backend": single.timed(query), "array floor, one backend": single.timed(floor(table)),
                      binary.name: binary, text.name: text}
        if line == 2 and data == "uniform":
            contenders["R kmeans, fit alone"] = r_fit(points, start, ITERATIONS, bench.work_directory)
        t = bench.race(f"line {line}: {data}", contenders, line=line, data=data, n=bench.rows, d=8, k=k)
        what = f"kmeans, k={k}, explicit init, {ITERATIONS} iterations"
        plan = f"{session.workers(query)} workers planned, {session.workers(floor(table))} for the floor"
        for trip in (binary, text):
            beat(bench, line, what, data, t["ours"], t[trip.name], trip, at_least, trained(t["ours"]))
            # Reading in one backend and computing with threads: no rows travel from workers to the leader.
            beat(bench, line, what + ", no workers", data, t["ours, no workers, threads"], t[trip.name], trip, at_least,
                 trained(t["ours, no workers, threads"]))
        bench.costs(line, what, data, t["ours"], t["array floor"], at_most_floor, plan)
        bench.costs(line, what + ", one backend", data, t["ours, one backend"], t["array floor, one backend"])
        if "R kmeans, fit alone" in t:
            bench.faster(line, what, data, t["ours"], t["R kmeans, fit alone"], None, "timed inside R, data in memory, one thread")
        agreement(bench, line, data, t["ours"], t[binary.name])
        for open_session in (session, single, threaded):
            open_session.close()


def agreement(bench, line, data, ours, peer):
    """The same start and iterations have to end in the same place."""
    if ours.value and peer.value:
        bench.at_most(line, "inertia above scikit-learn's, same start and iterations", data,
                      100 * (model_inertia(ours) / peer.value["inertia"] - 1), "%")


def line_2(bench, tables):
    explicit(bench, tables, 2, 8, 10, 4.5)


def line_3(bench, tables):
    explicit(bench, tables, 3, 32, 8, None)


# ---- line 4, and the quality --------------------------------------------------------------------------------------------------

def reference_fit(points, k, threads, runs_algorithm="lloyd"):
    return lambda: sklearn_fit(points, k, threads, 10, runs_algorithm)


def line_4(bench, tables):
    for data in DATA:
        table = tables.plain(data, bench.rows)
        points = tables.matrix(table)
        start = start_rows(points, 8)
        session = query_session(bench)
        space = scaled(points, SCALE[data])
        defaults = kmeans_query(table, 8, scale=SCALE[data])
        contenders = {"ours": session.timed(defaults),
                      "line 2": session.timed(kmeans_query(table, 8, init=start, iterations=ITERATIONS, scale=SCALE[data])),
                      "scikit-learn, n_init=10, fit alone": reference_fit(space, 8, bench.threads)}
        t = bench.race(f"line 4: {data}", contenders, line=4, data=data, n=bench.rows, d=8, k=8, budget=180)
        reference = t["scikit-learn, n_init=10, fit alone"]
        what = "kmeans, k=8, defaults"
        bench.costs(4, what, data, t["ours"], t["line 2"], 2, trained(t["ours"]))
        bench.faster(4, what, data, t["ours"], reference, 15)
        quality_row(bench, 4, 8, data, space, t["ours"], reference)
        session.close()


def quality_row(bench, line, k, data, space, ours, reference):
    if not ours.value or not reference.value:
        bench.at_most(line, f"inertia above scikit-learn's best of ten, k={k}", data, None, "%", 0.1, ours.error or reference.error)
        return
    own = inertia(space, np.array(json.loads(ours.value)["centroids"]))
    bench.at_most(line, f"inertia above scikit-learn's best of ten, k={k}", data, 100 * (own / reference.value["inertia"] - 1), "%", 0.1)


def quality(bench, tables):
    """The defaults against scikit-learn's best of ten starts."""
    for data in DATA:
        table = tables.plain(data, bench.rows)
        space = scaled(tables.matrix(table), SCALE[data])
        session = query_session(bench)
        for k, algorithm in ((8, "lloyd"), (32, "elkan")):  # the same result either way; Elkan's is the faster one at k = 32
            contenders = {"ours": session.timed(kmeans_query(table, k, scale=SCALE[data])),
                          f"scikit-learn {algorithm}, n_init=10": reference_fit(space, k, bench.threads, algorithm)}
            t = bench.race(f"quality: {data} k={k}", contenders, runs=1, line="quality", data=data, n=bench.rows, d=8, k=k)
            ours, reference = t.values()
            bench.faster("quality", f"kmeans, k={k}, defaults, one run", data, ours, reference, None, trained(ours))
            quality_row(bench, "quality", k, data, space, ours, reference)
        session.close()


# ---- lines 5 and 6: ten times the rows ----------------------------------------------------------------------------------------

def sampled(sql, **settings):
    """Runs the query in a fresh backend, and watches its memory. Not timed: the sampling takes time of its own."""
    session = Session(**settings)
    session.run("SELECT kmeans(ARRAY[1.0, 2.0], 1)")  # loads the library
    try:
        with Sampler(session.pid) as sampler:
            value = session.one(sql)
        return sampler, value
    finally:
        session.close()


PEAK = "peak memory of the backend, with the shared memory of its query / bytes of the rows"


def line_5(bench, tables):
    rows, megabytes = bench.large, bench.large * 8 * 8 / 2**20
    for data in DATA:
        table = tables.plain(data, rows)
        start = start_rows(tables.matrix(tables.plain(data, bench.rows)), 8)
        session = query_session(bench, segmentation__train_memory=EXACT)
        query = kmeans_query(table, 8, init=start, iterations=ITERATIONS, scale=SCALE[data])
        contenders = {"ours": session.timed(query), "array floor": session.timed(floor(table)),
                      "ours, defaults": session.timed(kmeans_query(table, 8, scale=SCALE[data]))}
        options = {"init": start, "n_init": 1, "max_iter": ITERATIONS, "tol": 0}
        trips = [RoundTrip(session, table, 8, 8, bench.threads, binary, bool(SCALE[data]), **options) for binary in (True, False)]
        for trip, bytes_of_a_row in zip(trips, (400, 600)):
            if available_bytes() > rows * bytes_of_a_row:
                contenders[trip.name] = trip
            else:
                bench.leave_out(f"line 5: {trip.name} of {rows:,} rows does not fit into memory")
        t = bench.race(f"line 5: {data}", contenders, line=5, data=data, n=rows, d=8, k=8, budget=200)
        what = f"kmeans, {rows:,} rows, k=8, explicit init, train_memory {EXACT}"
        for trip in trips:
            beat(bench, 5, what, data, t["ours"], t.get(trip.name, Timing(trip.name, error="left out")), trip, 10, trained(t["ours"]))
        bench.costs(5, what, data, t["ours"], t["array floor"], 5, f"{session.workers(query)} workers planned")
        bench.costs(5, f"kmeans, {rows:,} rows, k=8, defaults", data, t["ours, defaults"], t["array floor"], None,
                    trained(t["ours, defaults"]))
        agreement(bench, 5, data, t["ours"], t.get(trips[0].name, Timing(trips[0].name, error="left out")))
        session.close()
        try:
            memory, _ = sampled(query, max_parallel_workers_per_gather=bench.threads, segmentation__threads=bench.threads,
                                segmentation__train_memory=EXACT)
        except Exception as error:
            bench.at_most(5, PEAK, data, None, "×", 1.6, first_line(error))
            continue
        note = f"rows {megabytes:,.0f} MB; before {memory.before:.0f} MB, leader's own {memory.leader:,.0f} MB"
        bench.at_most(5, PEAK, data, memory.with_shared / megabytes, "×", 1.6, note)
        bench.at_most(5, "the same, with the parallel workers", data, memory.total / megabytes, "×", None,
                      f"{memory.total:,.0f} MB")


def line_6(bench, tables):
    rows = bench.large
    limit = "64MB" if not bench.quick else "4MB"
    settings = {"max_parallel_workers_per_gather": bench.threads, "segmentation__threads": bench.threads}
    for data in DATA:
        table = tables.plain(data, rows)
        start = start_rows(tables.matrix(tables.plain(data, bench.rows)), 8)
        for kind, options in (("explicit init", {"init": start, "iterations": ITERATIONS}), ("defaults", {})):
            query = kmeans_query(table, 8, scale=SCALE[data], **options)
            session = Session(**settings, segmentation__train_memory=limit)
            exact = Session(**settings, segmentation__train_memory=EXACT)
            t = bench.race(f"line 6: {data}, {kind}", {"ours": session.timed(query), "array floor": session.timed(floor(table))}, line=6,
                           data=data, n=rows, d=8, k=8)
            what = f"kmeans, {rows:,} rows, k=8, {kind}, train_memory {limit}"
            bench.costs(6, what, data, t["ours"], t["array floor"], 6,
                        note_of(trained(t["ours"]), f"{session.workers(query)} workers planned"))
            model, grown, note = None, None, t["ours"].error or ""
            try:
                memory, model = sampled(query, **settings, segmentation__train_memory=limit)
                grown = memory.process - memory.before
                note = f"{memory.before:.0f} MB before; leader and workers together {memory.total:.0f} MB at their peak"
            except Exception as error:  # said in the table; the other data go on
                note = first_line(error)
            bench.at_most(6, f"the backend grows by, {kind}", data, grown, "MB", 100, note)
            polish(bench, data, kind, table, session, model, lambda: exact.one(query))
            session.close()
            exact.close()


def polish(bench, data, kind, table, session, model, train_exact):
    """Inertia over all rows of the model of a sketch, and after one Lloyd step over the table, against the exact one's."""
    def measured(text):
        return session.one(f"SELECT (kmeans_evaluate(%s::kmeans_model, {array_of(8)})).inertia FROM {table}", (text,))

    before, after, notes = None, None, ["", ""]
    try:
        if model is None:
            raise RuntimeError("there is no model")
        best = measured(train_exact())
        before = 100 * (measured(model) / best - 1)
        step = f"SELECT kmeans_step('{model}'::kmeans_model, {array_of(8)})::text FROM {table}"
        t = bench.race(f"line 6: {data}, kmeans_step", {"kmeans_step": session.timed(step), "array floor": session.timed(floor(table))},
                       line=6, data=data, n=bench.large, d=8, k=8, kind="step")
        bench.costs(6, f"one kmeans_step pass, {kind}", data, t["kmeans_step"], t["array floor"])
        if t["kmeans_step"].error:
            raise RuntimeError(t["kmeans_step"].error)
        after = 100 * (measured(t["kmeans_step"].value) / best - 1)
    except Exception as error:  # what could not be measured has failed its target
        notes = [first_line(error) if before is None else "", first_line(error)]
    bench.at_most(6, f"inertia above the exact one, {kind}", data, before, "%", 1, notes[0])
    bench.at_most(6, f"inertia above the exact one after one kmeans_step, {kind}", data, after, "%", 0.5, notes[1])


# ---- line 8: train, score, keep the labels ------------------------------------------------------------------------------------

PARALLEL_COPY = "ours, cheap tuples"


def line_8(bench, tables):
    for data in DATA:
        table = tables.keyed(data, bench.rows)
        points = tables.matrix(table)
        start = start_rows(points, 8)
        session = query_session(bench)
        for kind, own, theirs, target in (
                (f"explicit init, {ITERATIONS} iterations", {"init": start, "iterations": ITERATIONS},
                 {"init": start, "n_init": 1, "max_iter": ITERATIONS, "tol": 0}, 6),
                ("defaults of both, ten starts", {}, {"n_init": 10}, None)):
            training = kmeans_query(table, 8, scale=SCALE[data], **own)

            def ours(training=training):
                session.run("DROP TABLE IF EXISTS scored")
                model = session.one(training)
                session.run(f"CREATE TABLE scored AS SELECT id, kmeans_assign('{model}'::kmeans_model, {array_of(8)}) AS segment FROM {table}")
                return model

            def ours_in_parallel(ours=ours):  # at its default the planner takes a row's way out of a worker for dearer than it is
                session.run("SET parallel_tuple_cost = 0.01")
                try:
                    return ours()
                finally:
                    session.run("RESET parallel_tuple_cost")

            def table_floor():
                session.run("DROP TABLE IF EXISTS written")
                session.run(f"CREATE TABLE written AS SELECT id, 1 AS segment FROM {table}")
            trips = [RoundTrip(session, table, 8, 8, bench.threads, binary, bool(SCALE[data]), labels_to="scored_outside", **theirs)
                     for binary in ((True, False) if target else (True,))]
            floors = {"table floor": table_floor} if target else {}
            contenders = {"ours": ours, PARALLEL_COPY: ours_in_parallel, **floors, **{trip.name: trip for trip in trips}}
            t = bench.race(f"line 8: {data}, {kind}", contenders, line=8, data=data,
                           n=bench.rows, d=8, k=8, budget=150 if target else 60)
            for trip in trips:
                beat(bench, 8, f"train, score, keep labels, k=8, {kind}", data, t["ours"], t[trip.name], trip, target)
                beat(bench, 8, f"the same, parallel_tuple_cost = 0.01, {kind}", data, t[PARALLEL_COPY], t[trip.name], trip, target)
            if floors:
                bench.costs(8, f"train, score, keep labels, k=8, {kind}", data, t["ours"], t["table floor"])
        same_labels(bench, session, data)
        session.close()


def same_labels(bench, session, data):
    """Both tables have a label for every row."""
    ours, theirs = (session.one(f"SELECT count(segment) FROM {table}") for table in ("scored", "scored_outside"))
    if ours != theirs:
        bench.failed(8, "labels kept", data, f"{ours} labels of ours, {theirs} of the round trip")


# ---- line 12: growth -----------------------------------------------------------------------------------------------------------

def line_12(bench, tables):
    session = query_session(bench, segmentation__train_memory=EXACT)
    data, small, large = "uniform", bench.rows, bench.large
    sizes = (small // 10, small, large)
    start_points = tables.matrix(tables.plain(data, small))
    for rows in sizes:
        table = tables.plain(data, rows)
        bench.race(f"line 12: array floor, {rows:,} rows", {"array floor": session.timed(floor(table))}, line=12, data=data, n=rows, d=8,
                   k=0, kind="array floor")
    for k in (2, 8, 32, 100) if not bench.quick else (2, 8):
        start = start_rows(start_points, k)
        for kind, options in ((f"explicit init, {ITERATIONS} iterations", {"init": start, "iterations": ITERATIONS}), ("defaults", {})):
            timings = {}
            for rows in sizes:
                query = kmeans_query(tables.plain(data, rows), k, **options)
                timings[rows] = bench.race(f"line 12: k={k}, {kind}, {rows:,} rows", {"ours": session.timed(query)}, budget=100, line=12,
                                           data=data, n=rows, d=8, k=k, kind=kind)["ours"]
            first, last = timings[small], timings[large]
            growth = None if first.error or last.error else (last.ms / large) / (first.ms / small)
            note = note_of(*(f"{rows:,} rows: " + (t.error or f"{t.ms * 1e6 / rows:,.0f} ns per row") for rows, t in timings.items()),
                           *(f"{len(t.times)} run(s) at {rows:,}" for rows, t in timings.items() if t.cut_short))
            bench.at_most(12, f"time per row at {large:,} / at {small:,}, k={k}, {kind}", data, growth, "×", 1.25, note)
    session.close()
