"""Lines 7, 9, 11 and 13: scoring, labels in a window, many groups, local outlier factors."""
import json
from dataclasses import replace

import numpy as np

from lines_train import DATA, SCALE, note_of, query_session
from memory import Sampler
from peers import case_lateral, case_over_columns, case_tournament, sklearn_outliers
from server import Session, array_of, features, kmeans_query, start_rows

# ---- line 7 -------------------------------------------------------------------------------------------------------------------


def line_7(bench, tables):
    one = Session(max_parallel_workers_per_gather=0, segmentation__threads=1)
    two = Session(max_parallel_workers_per_gather=2, segmentation__threads=1)
    for data in DATA:
        table = tables.plain(data, bench.rows)
        if data == "uniform":
            floors(bench, one, two, table)
        for k, at_most in ((8, 1.6), (32, 2.2), (100, 4)):
            start = start_rows(tables.matrix(table), k)
            model = one.one(kmeans_query(table, k, init=start, iterations=3, scale=SCALE[data]))
            one.run("DROP TABLE IF EXISTS scoring_model; CREATE TABLE scoring_model AS SELECT %s::kmeans_model AS model", (model,))
            score(bench, one, two, table, data, k, model, at_most)
            if data == "uniform" and k == 8:
                score_without(bench, one, table, data, model)
    one.close()
    two.close()


def floors(bench, one, two, table):
    columns = " + ".join(f"sum({name})" for name in features(8))
    queries = {"count(*)": f"SELECT count(*) FROM {table}", "sum of each column": f"SELECT {columns} FROM {table}",
               "count(ARRAY[…])": f"SELECT count({array_of(8)}) FROM {table}",
               "sum(array_length(ARRAY[…], 1))": f"SELECT sum(array_length({array_of(8)}, 1)) FROM {table}"}
    contenders = {}
    for name, query in queries.items():
        contenders[name] = one.timed(query)
        contenders[name + ", 2 workers"] = two.timed(query)
    t = bench.race("line 7: floors", contenders, line=7, data="uniform", n=bench.rows, d=8, k=0)
    for name in contenders:
        bench.at_most("floor", f"SELECT {name}", "uniform", t[name].ms, "ms", None, t[name].error or "")


def score(bench, one, two, table, data, k, model, at_most):
    of_literal = f"SELECT sum(kmeans_assign('{model}'::kmeans_model, {array_of(8)})) FROM {table}"
    of_table = f"SELECT sum(kmeans_assign((SELECT model FROM scoring_model), {array_of(8)})) FROM {table}"
    of_row = f"SELECT sum(kmeans_assign('{model}'::kmeans_model, t)) FROM {table} AS t"
    length = f"SELECT sum(array_length({array_of(8)}, 1)) FROM {table}"
    t = bench.race(f"line 7: {data} k={k}", {
        "model a literal": one.timed(of_literal), "array_length": one.timed(length), "model from a table": one.timed(of_table),
        "row form": one.timed(of_row), "2 workers": two.timed(of_literal)}, line=7, data=data, n=bench.rows, d=8, k=k)
    sums = {name: t[name].value for name in t if name != "array_length" and not t[name].error}
    note = "" if len(set(sums.values())) == 1 else f"DIFFERENT RESULTS: {sums}"
    array = t["model a literal"]
    bench.costs(7, f"sum(kmeans_assign), k={k}, model a literal", data, array, t["array_length"], at_most, note)
    bench.costs(7, f"sum(kmeans_assign), k={k}, model from a table", data, t["model from a table"], t["array_length"], at_most)
    array_form = bench_as(array, "array form")
    bench.costs(7, f"row form, k={k}", data, t["row form"], array_form, 1.6)
    bench.faster(7, f"2 workers, k={k}", data, t["2 workers"], bench_as(array, "one backend"), 1.6,
                 f"{two.workers(of_literal)} workers planned")


def bench_as(timing, name):
    """The same measurement by another name."""
    return replace(timing, name=name)


def score_without(bench, one, table, data, model):
    """The same labels by generated SQL; the fastest way of writing it is the peer."""
    parsed = json.loads(model)
    centers, ids = parsed["centroids"], [segment["id"] for segment in parsed["segments"]]
    ours = f"SELECT sum(kmeans_assign('{model}'::kmeans_model, {array_of(8)})) FROM {table}"
    with_jit = Session(max_parallel_workers_per_gather=0, jit="on")
    contenders = {"ours": one.timed(ours),
                  "generated CASE": one.timed(case_tournament(centers, ids, table)),
                  "generated CASE, jit = on": with_jit.timed(case_tournament(centers, ids, table)),
                  "CASE over a subquery of distances": one.timed(case_over_columns(centers, ids, table)),
                  "CASE over a subquery of distances, jit = on": with_jit.timed(case_over_columns(centers, ids, table)),
                  "LATERAL over VALUES": one.timed(case_lateral(centers, ids, table))}
    t = bench.race("line 7: without the extension", contenders, line=7, data=data, n=bench.rows, d=8, k=len(ids), kind="sql", budget=40)
    others = [t[name] for name in list(contenders)[1:]]
    fastest = min((peer for peer in others if peer.times), key=lambda peer: peer.ms, default=others[0])
    for peer in others:
        bench.faster(7, f"sum(kmeans_assign), k={len(ids)}, against SQL without the extension", data, t["ours"], peer,
                     12 if peer is fastest else None,
                     note_of("the fastest of them" if peer is fastest else "",
                             "" if peer.error or peer.value == t["ours"].value else f"another result: {peer.value}"))
    with_jit.close()


# ---- line 9 -------------------------------------------------------------------------------------------------------------------

def points_of(data, rows):
    random = np.random.default_rng(5)
    if data == "uniform":
        return random.random((rows, 2))
    centers = random.uniform(0, 10, (12, 2))
    return centers[random.integers(0, 12, rows)] + random.standard_normal((rows, 2))


def line_9(bench, tables):
    session = query_session(bench)
    try:
        session.run("CREATE EXTENSION IF NOT EXISTS postgis")
        peer = True
    except Exception as error:
        bench.leave_out(f"line 9: PostGIS: {error}")
        peer = False
    for data in ("uniform", "groups"):
        table = tables.of_matrix(f"points_{data}", points_of(data, bench.rows))
        label = "SELECT count(label) FROM (SELECT {} OVER () AS label FROM {}) AS t"
        fast = """kmeans_label(ARRAY[f1, f2], 8, '{"quality": "fast"}')"""
        contenders = {"ours": session.timed(label.format("kmeans_label(ARRAY[f1, f2], 8)", table)),
                      "window floor": session.timed(label.format("last_value(ARRAY[f1, f2])", table)),
                      "ours, one start": session.timed(label.format(fast, table))}
        if peer:
            stored = f"geometries_{data}"
            tables.custom(stored, f"CREATE TABLE {stored} AS SELECT ST_MakePoint(f1, f2) AS geom FROM {table}")
            contenders["ST_ClusterKMeans"] = session.timed(label.format("ST_ClusterKMeans(geom, 8)", stored))
        t = bench.race(f"line 9: {data}", contenders, line=9, data=data, n=bench.rows, d=2, k=8, budget=60)
        bench.costs(9, "kmeans_label() OVER (), k=8, defaults", data, t["ours"], t["window floor"])
        if not peer:
            bench.failed(9, "kmeans_label", data, "PostGIS is not installed")
            continue
        note = inertia_of_labels(session, table, stored)
        bench.faster(9, "kmeans_label() OVER (), k=8, defaults", data, t["ours"], t["ST_ClusterKMeans"], 6, note)
        bench.faster(9, 'kmeans_label() OVER (), k=8, {"quality": "fast"}', data, t["ours, one start"], t["ST_ClusterKMeans"])
    session.close()


def inertia_of_labels(session, table, stored):
    """What both labellings are worth, as text."""
    inertia = """SELECT sum(n * v) FROM (SELECT count(*) AS n, var_pop(f1) + var_pop(f2) AS v FROM (SELECT f1, f2, {} OVER () AS label
                 FROM {}) AS t GROUP BY label) AS u"""
    try:
        ours = session.one(inertia.format("kmeans_label(ARRAY[f1, f2], 8)", table))
        points = f"(SELECT ST_X(geom) AS f1, ST_Y(geom) AS f2, geom FROM {stored}) AS g"
        theirs = session.one(inertia.format("ST_ClusterKMeans(geom, 8)", points))
        return f"inertia {100 * (ours / theirs - 1):+.2f} % against PostGIS"
    except Exception as error:
        return str(error).splitlines()[0]


# ---- line 11 ------------------------------------------------------------------------------------------------------------------

def line_11(bench, tables):
    groups = 40_000 if bench.rows >= 1_000_000 else max(bench.rows // 25, 100)
    columns = ", ".join(f"random() AS {name}" for name in features(8))
    table = tables.custom("grouped", f"""CREATE TABLE grouped AS SELECT (i % {groups})::int AS g, {columns}
                                         FROM generate_series(1, {25 * groups}) AS i""")
    for work_mem in ("4MB", "64MB", "256MB"):
        session = Session(max_parallel_workers_per_gather=0, segmentation__threads=1, work_mem=work_mem)
        ours = f"SELECT count(m) FROM (SELECT g, kmeans({array_of(8)}, 2) AS m FROM {table} GROUP BY g) AS t"
        floor = f"SELECT count(a) FROM (SELECT g, array_agg({array_of(8)}) AS a FROM {table} GROUP BY g) AS t"
        t = bench.race(f"line 11: work_mem {work_mem}", {"ours": session.timed(ours), "array_agg": session.timed(floor)}, line=11,
                       data="uniform", n=25 * groups, d=8, k=2, work_mem=work_mem, budget=60)
        what = f"kmeans(…, 2) over {groups:,} groups of 25, work_mem {work_mem}"
        bench.costs(11, what, "uniform", t["ours"], t["array_agg"], 4)
        if not t["ours"].error:
            group_memory(bench, what, work_mem, ours)
        session.close()
        parallel = query_session(bench, work_mem=work_mem)
        contenders = {"ours": parallel.timed(ours), "array_agg": parallel.timed(floor)}
        t2 = bench.race(f"line 11: work_mem {work_mem}, parallel plans allowed", contenders, line=11, data="uniform", n=25 * groups,
                        d=8, k=2, work_mem=work_mem, workers=bench.threads, budget=60)
        bench.costs(11, what + ", parallel plans allowed", "uniform", t2["ours"], t2["array_agg"], None,
                    f"{parallel.workers(ours)} workers planned")
        parallel.close()


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def group_memory(bench, what, work_mem, query):
    """Growth of the backend against the limit, and whether the plan spilled."""
    session = Session(max_parallel_workers_per_gather=0, segmentation__threads=1, work_mem=work_mem)
    session.run("SELECT kmeans(ARRAY[1.0, 2.0], 1)")
    multiplier = float(session.one("SHOW hash_mem_multiplier"))
    limit = float(work_mem.removesuffix("MB")) * multiplier
    with Sampler(session.pid) as sampler:
        session.run(query)
    plan = session.one("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + query)[0]["Plan"]
    session.close()
    spilled, said = False, []
    for node in nodes(plan):
        if node["Node Type"] == "Aggregate" and node.get("Group Key"):
            said.append(f"{node.get('Strategy', '').lower()} aggregate, {node.get('HashAgg Batches', 1)} batches, "
                        f"{node.get('Disk Usage', 0):,} kB on disk")
            spilled |= node.get("HashAgg Batches", 1) > 1
        if node["Node Type"] == "Sort":
            said.append(f"{node.get('Sort Method')}, {node.get('Sort Space Used', 0):,} kB "
                        f"{node.get('Sort Space Type', '').lower()}")
            spilled |= node.get("Sort Space Type") == "Disk"
    growth = sampler.process - sampler.before
    bench.at_most(11, f"{what}: the backend grows by", "uniform", growth, "MB", None,
                  f"{'; '.join(said)}; work_mem × {multiplier:g} = {limit:g} MB")
    bench.holds(11, f"{what}: memory within work_mem × hash_mem_multiplier, or spilled", "uniform", growth <= limit or spilled)


# ---- line 13 ------------------------------------------------------------------------------------------------------------------

def line_13(bench, tables):
    rows, neighbors = min(bench.rows, 100_000), 20
    session = query_session(bench)
    for data in DATA:
        table = tables.plain(data, rows)
        points = np.ascontiguousarray(tables.matrix(table)[:, :6])
        query = f"SELECT array_agg(factor) FROM (SELECT local_outlier_factor({array_of(6)}, {neighbors}) OVER () AS factor FROM {table}) AS t"
        floor = f"SELECT count(last) FROM (SELECT last_value({array_of(6)}) OVER () AS last FROM {table}) AS t"
        t = bench.race(f"line 13: {data}", {"ours": session.timed(query), "window floor": session.timed(floor),
                                            "LocalOutlierFactor": lambda: sklearn_outliers(points, neighbors, bench.threads)},
                       line=13, data=data, n=rows, d=6, k=neighbors)
        ours, theirs = t["ours"], t["LocalOutlierFactor"]
        gap = "" if ours.error or theirs.error else f"largest relative difference {np.abs(np.array(ours.value) / theirs.value - 1).max():.2g}"
        what = f"local_outlier_factor(…, {neighbors}) OVER (), {rows:,} rows of 6"
        bench.costs(13, what, data, ours, theirs, 2, gap)
        bench.costs(13, what, data, ours, t["window floor"])
    session.close()
