"""Every way to score a row gives the same segment and distance, and it is numpy's nearest centroid, bit for bit."""
import json

import numpy as np

from harness import simplified_silhouette, squares_to

NAMES = ["age", "education", "years_employed", "income", "card_debt", "other_debt", "debt_income_ratio"]
FORMS = {"array": f"ARRAY[{', '.join('c.' + name for name in NAMES)}]", "row": "c", "jsonb": "to_jsonb(c)"}
MODEL = "%(model)s::kmeans_model"
ROWS = 10000


def customers(db):
    """The generated customers as a matrix; in table customers_10k for the extension."""
    if db.one("SELECT to_regclass('customers_10k')") is None:
        db.run(f"CREATE TABLE customers_10k AS SELECT * FROM segmentation.sample_customers({ROWS}, 5); ANALYZE customers_10k")
    return np.array(db.rows(f"SELECT {', '.join(NAMES)} FROM customers_10k ORDER BY customer_id"), dtype=float)


def train(db, k, **options):
    return db.one(f"SELECT kmeans({FORMS['array']}, %s, %s::jsonb)::text FROM customers_10k c",
                  (k, json.dumps({"features": NAMES, **options})))


def to_model_space(model, points):
    """Steps 2 and 4 of the format, one rounding per operation as the format fixes it."""
    y = (points - np.array(model["offset"])) / np.array(model["scale"])
    if model["distance"] == "cosine":
        square = np.zeros(len(y))
        for j in range(y.shape[1]):
            square += y[:, j] * y[:, j]
        y = y / np.sqrt(square)[:, None]
    return y


def check_model(tally, db, where, text, points):
    model = json.loads(text)
    tally.check(f"{where}: neither rotation nor transforms", model["rotation"] is None
                and all(i["kind"] == "numeric" and i["transform"] == "none" for i in model["inputs"]))
    ids = np.array([s["id"] for s in model["segments"]])
    y = to_model_space(model, points)
    squares = squares_to(y, np.array(model["centroids"]))
    order = np.argsort(squares, axis=1, kind="stable")  # ties to the segment listed first
    every = np.arange(len(points))
    nearest, square = order[:, 0], squares[every, order[:, 0]]
    alone = len(ids) == 1
    usual = np.array([s["inertia"] / s["weight"] for s in model["segments"]])
    for form, argument in FORMS.items():
        rows = db.rows(f"""SELECT kmeans_assign({MODEL}, {argument}), kmeans_distance({MODEL}, {argument}),
                                  r.rank, r.segment, r.distance, s.segment, s.distance, s.runner_up, s.runner_up_distance,
                                  s.silhouette, s.outlier_score, s.borderline
                           FROM customers_10k c, kmeans_score({MODEL}, {argument}) s, kmeans_ranked({MODEL}, {argument}, 1) r
                           ORDER BY customer_id""", {"model": text})
        got = list(zip(*rows))
        tally.equal(f"{where} {form}: rows", len(rows), len(points))
        tally.equal(f"{where} {form}: kmeans_assign", list(got[0]), ids[nearest].tolist())
        tally.same_bits(f"{where} {form}: kmeans_distance", got[1], np.sqrt(square))
        tally.equal(f"{where} {form}: kmeans_ranked", (set(got[2]), got[3]), ({1}, got[0]))
        tally.same_bits(f"{where} {form}: distance of kmeans_ranked", got[4], got[1])
        tally.equal(f"{where} {form}: segment of kmeans_score", got[5], got[0])
        tally.same_bits(f"{where} {form}: distance of kmeans_score", got[6], got[1])
        tally.close(f"{where} {form}: outlier_score", got[10], np.sqrt(square / usual[nearest]), 1e-12)
        if alone:
            tally.equal(f"{where} {form}: no runner-up", {values for values in zip(*got[7:10])}, {(None, None, None)})
            continue
        second = squares[every, order[:, 1]]
        tally.equal(f"{where} {form}: runner_up", list(got[7]), ids[order[:, 1]].tolist())
        tally.same_bits(f"{where} {form}: runner_up_distance", got[8], np.sqrt(second))
        silhouette = np.where(second > 0, 1 - np.sqrt(square) / np.sqrt(np.where(second > 0, second, 1)), 0)
        tally.close(f"{where} {form}: silhouette", got[9], silhouette, 0, 1e-12)
        tally.equal(f"{where} {form}: borderline", list(got[11]), [s < 0.1 for s in got[9]])
    return model, y, squares, order


def test_forms_agree(tally, db):
    points = customers(db)
    # Numbers of segments on both sides of a group of eight centroids, every scaling, both distances.
    for k, options in ((1, {}), (2, {"scale": "minmax"}), (5, {"scale": "zscore"}), (7, {"scale": "zscore", "distance": "cosine"}),
                       (8, {"scale": "robust"}), (9, {}), (17, {"scale": "zscore"}), (40, {"scale": "minmax", "quality": "fast"})):
        where = f"k={k} {options.get('scale', 'none')}{' cosine' if 'distance' in options else ''}"
        text = train(db, k, **options)
        model, y, squares, order = check_model(tally, db, where, text, points)
        tally.equal(f"{where}: rows are scored as training assigned them", [s["rows"] for s in model["segments"]],
                    np.bincount(order[:, 0], minlength=k).tolist())
        tally.close(f"{where}: inertia", model["metrics"]["inertia"], squares.min(axis=1).sum())
        if k > 1:
            tally.close(f"{where}: silhouette of the model", model["metrics"]["silhouette"],
                        simplified_silhouette(y, np.array(model["centroids"])))


def test_ranked_in_full(tally, db):
    points = customers(db)[:500]
    for k, scale in ((3, "none"), (11, "zscore")):
        text = train(db, k, scale=scale)
        model = json.loads(text)
        squares = squares_to(to_model_space(model, points), np.array(model["centroids"]))
        order = np.argsort(squares, axis=1, kind="stable")
        for n in (2, k, k + 5):
            width = min(n, k)
            for form, argument in FORMS.items():
                rows = db.rows(f"""SELECT r.rank, r.segment, r.distance
                                   FROM customers_10k c, kmeans_ranked({MODEL}, {argument}, {n}) r
                                   WHERE customer_id <= 500 ORDER BY customer_id, rank""", {"model": text})
                where = f"k={k} n={n} {form}"
                tally.equal(f"ranks {where}", [r[0] for r in rows], list(range(1, width + 1)) * 500)
                tally.equal(f"ranked segments {where}", [r[1] for r in rows], order[:, :width].ravel().tolist())
                tally.same_bits(f"ranked distances {where}", [r[2] for r in rows],
                                np.sqrt(np.take_along_axis(squares, order[:, :width], axis=1)).ravel())


def test_ties_and_ids_with_gaps(tally, db):
    """The segment listed first wins a tie; ids are what the model says, not places in it."""
    points = customers(db)
    model = json.loads(train(db, 6, scale="zscore"))
    for segment, new_id in zip(model["segments"], (70, 3, 12, 5, 2147483647, 0)):
        segment["id"] = new_id
    model["centroids"][4] = model["centroids"][1]  # 3 before 2147483647
    model["centroids"][2] = model["centroids"][0]  # 70 before 12
    text = db.one("SELECT %s::jsonb::kmeans_model::text", (json.dumps(model),))
    tally.equal("the edited model", json.loads(text), model)
    check_model(tally, db, "ties and gaps", text, points)
    used = {s for s, in db.rows(f"SELECT DISTINCT kmeans_assign({MODEL}, c) FROM customers_10k c", {"model": text})}
    tally.equal("segments that can win", used, {70, 3, 5, 0})


def test_explain(tally, db):
    points = customers(db)
    for k, options in ((5, {"scale": "zscore"}), (9, {}), (7, {"scale": "robust", "distance": "cosine"})):
        where = f"explain k={k} {options.get('scale', 'none')}{' cosine' if 'distance' in options else ''}"
        text = train(db, k, **options)
        model = json.loads(text)
        y, centroids = to_model_space(model, points), np.array(model["centroids"])
        order = np.argsort(squares_to(y, centroids), axis=1, kind="stable")
        own, other = centroids[order[:, 0]], centroids[order[:, 1]]
        want = (y - other) ** 2 - (y - own) ** 2
        raw = np.array(model["offset"]) + own * np.array(model["scale"])
        score = np.array(db.rows(f"""SELECT s.distance, s.runner_up_distance
                                     FROM customers_10k c, kmeans_score({MODEL}, {FORMS['array']}) s
                                     ORDER BY customer_id""", {"model": text}))
        difference = score[:, 1] ** 2 - score[:, 0] ** 2
        size = (score ** 2).sum(axis=1) + (own ** 2).sum(axis=1)  # what 1e-9 is relative to: the terms that cancel
        answers = {}
        for form, argument in FORMS.items():
            rows = db.rows(f"""SELECT e.feature, e.value, e.centroid, e.contribution
                               FROM customers_10k c, kmeans_explain({MODEL}, {argument}) WITH ORDINALITY
                                    e(feature, value, centroid, contribution, line)
                               ORDER BY customer_id, line""", {"model": text})
            answers[form] = rows
        tally.equal(f"{where}: the row form agrees", answers["row"], answers["array"])
        tally.equal(f"{where}: the jsonb form agrees", answers["jsonb"], answers["array"])
        rows = answers["array"]
        tally.equal(f"{where}: lines", len(rows), len(points) * len(NAMES))
        column = np.array([NAMES.index(r[0]) for r in rows]).reshape(len(points), -1)
        tally.check(f"{where}: every feature once", (np.sort(column, axis=1) == np.arange(len(NAMES))).all())
        value, centroid, contribution = (np.array([r[i] for r in rows]).reshape(column.shape) for i in (1, 2, 3))
        tally.check(f"{where}: largest first", (np.diff(contribution, axis=1) <= 0).all())
        tally.same_bits(f"{where}: values", value, np.take_along_axis(points, column, axis=1))
        tally.close(f"{where}: centroids", centroid, np.take_along_axis(raw, column, axis=1), 1e-12, 1e-12)
        tally.close(f"{where}: contributions", contribution / size[:, None],
                    np.take_along_axis(want, column, axis=1) / size[:, None], 0, 1e-9)
        relative = np.abs(contribution.sum(axis=1) - difference) / size
        tally.at_most(f"{where}: they add up row by row, relative", relative.max(), 1e-9)
        tally.note(f"{where}: largest gap of the sum {relative.max():.1e} of the squared distances")
