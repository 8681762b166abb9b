"""Models edited through jsonb, scored by the extension and by a plain Python scorer written from the top of src/core/model.h."""
import copy
import io
import json
import math

import numpy as np

from harness import squares_to

MODEL = "%(model)s::kmeans_model"
CUSTOMER_NAMES = ["age", "years_employed", "income", "card_debt", "other_debt"]


class ReferenceScorer:
    """Format 1, step by step."""

    def __init__(self, model):
        self.model = model
        self.ids = [segment["id"] for segment in model["segments"]]

    def encode(self, row):
        """Step 1: the columns of a row {input name: number, text or None}; None where it has no score."""
        columns = []
        for item in self.model["inputs"]:
            value = row.get(item["name"])
            if item["kind"] == "numeric":
                if value is None or not math.isfinite(value):
                    if item["impute"] is None:
                        return None
                    value = item["impute"]
                if item["clip_low"] is not None and value < item["clip_low"]:
                    value = item["clip_low"]
                if item["clip_high"] is not None and value > item["clip_high"]:
                    value = item["clip_high"]
                if item["transform"] == "log1p":
                    value = math.log1p(value) if value > -1 else math.nan
                elif item["transform"] == "asinh":
                    value = math.asinh(value)
                columns.append(value)
                continue
            if value is None:
                if item["impute"] is None:
                    return None
                value = item["impute"]
            block = [1.0 if level == value else 0.0 for level in item["levels"]]
            unseen = value not in item["levels"]
            if unseen and item["unseen"] == "null":
                return None
            columns += block + ([1.0 if unseen else 0.0] if item["unseen"] == "other" else [])
        return columns

    def point(self, row):
        """Steps 1 to 4: the row in model space; None where it has no score."""
        columns = self.encode(row)
        if columns is None:
            return None
        y = [(x - offset) / scale for x, offset, scale in zip(columns, self.model["offset"], self.model["scale"])]
        rotation = self.model["rotation"]
        if rotation is not None:
            rotated = []
            for axis in rotation["axes"]:
                total = 0.0
                for a, z, center in zip(axis, y, rotation["center"]):
                    total += a * (z - center)
                rotated.append(total)
            y = rotated
        if self.model["distance"] == "cosine":
            square = 0.0
            for value in y:
                square += value * value
            length = math.sqrt(square) if square >= 0 else math.nan
            if not length > 0 or not math.isfinite(length):
                return None
            y = [value / length for value in y]
        return y if all(map(math.isfinite, y)) else None

    def ranked(self, row):
        """Step 5: [(distance, segment id)], nearest first, of the segments at a finite distance; empty where it has no score."""
        y = self.point(row)
        if y is None:
            return []
        found = []
        for place, centroid in enumerate(self.model["centroids"]):
            square = 0.0
            for a, c in zip(y, centroid):
                square += (a - c) * (a - c)
            if math.isfinite(square):
                found.append((square, place))
        return [(math.sqrt(square), self.ids[place]) for square, place in sorted(found)]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def copy_field(value):
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if value != value else repr(value))


def load(db, model, rows):
    """Table edited (i, and a column per input) of the rows."""
    types = ["text" if item["kind"] == "categorical" else "float8" for item in model["inputs"]]
    names = [item["name"] for item in model["inputs"]]
    # In another order than the model's, with a column between that it does not read.
    columns = [(f"{quoted(n)} {t}", n) for n, t in reversed(list(zip(names, types)))]
    db.run(f"DROP TABLE IF EXISTS edited; CREATE TABLE edited (i int, {', '.join(c for c, _ in columns)}, unread date)")
    text = io.StringIO()
    for i, row in enumerate(rows):
        text.write("\t".join([str(i)] + [copy_field(row[n]) for _, n in columns] + ["2026-01-01"]) + "\n")
    text.seek(0)
    db.cursor.copy_expert("COPY edited FROM STDIN", text)


def check_scores(tally, db, where, model, rows, exact, table_is_loaded=False, arrays=True):
    """All the forms of all the scoring functions on these rows against the reference scorer. exact: bit for bit; else (the
    logarithms are Python's) within 1e-9, and segments may differ only where two are as near. What kmeans_explain and the
    runner-up are when a squared distance is beyond a double's range is left to test_beyond_the_range."""
    if not table_is_loaded:
        load(db, model, rows)
    scorer = ReferenceScorer(model)
    expected = [scorer.ranked(row) for row in rows]
    names = [item["name"] for item in model["inputs"]]
    forms = {"row": "c", "jsonb": "to_jsonb(c)"}
    if arrays and all(item["kind"] == "numeric" for item in model["inputs"]):
        forms["array"] = f"ARRAY[{', '.join('c.' + quoted(n) for n in names)}]"
    text = json.dumps(model)
    stored = db.one("SELECT %s::jsonb::kmeans_model::text", (text,))
    tally.equal(f"{where}: the model as it was written", json.loads(stored), model)
    tally.equal(f"{where}: its text, read again", db.one("SELECT %s::kmeans_model::text", (stored,)), stored)
    k = len(model["segments"])
    for form, argument in forms.items():
        got = db.rows(f"""SELECT kmeans_assign({MODEL}, {argument}), kmeans_distance({MODEL}, {argument}),
                                 s.segment, s.distance, s.runner_up, s.runner_up_distance,
                                 ARRAY(SELECT segment FROM kmeans_ranked({MODEL}, {argument}, {k + 1}) ORDER BY rank),
                                 ARRAY(SELECT distance FROM kmeans_ranked({MODEL}, {argument}, {k + 1}) ORDER BY rank),
                                 (SELECT count(*) FROM kmeans_explain({MODEL}, {argument}))
                          FROM edited c LEFT JOIN LATERAL kmeans_score({MODEL}, {argument}) s ON true ORDER BY i""",
                      {"model": stored})
        wrong = [(row, want, answer) for row, want, answer in zip(rows, expected, got)
                 if not agree(want, answer, 0 if scorer.point(row) is None else len(model["offset"]), exact)]
        tally.check(f"{where} {form}: {len(rows)} rows", len(got) == len(rows) and not wrong,
                    f"{len(got)} rows, {len(wrong)} wrong, the first (row, want, got): {wrong[:1]!r}")
    return expected


def agree(want, answer, columns, exact):
    segment, distance, score_segment, score_distance, runner_up, runner_up_distance, ranked, distances, lines = answer
    if not want:
        return answer[:8] == (None, None, None, None, None, None, [], []) and lines in (0, columns)
    if (score_segment, score_distance) != (segment, distance) or ranked[:1] != [segment] or distances[:1] != [distance]:
        return False
    if len(want) > 1 and ([runner_up], [runner_up_distance]) != (ranked[1:2], distances[1:2]):
        return False
    if lines != columns or len(ranked) != len(want):
        return False
    if exact:
        return ranked == [s for _, s in want] and distances == [d for d, _ in want]
    near = [abs(a - b) <= 1e-9 * (1 + abs(b)) for a, (b, _) in zip(distances, want)]
    by_id = {s: d for d, s in want}
    return all(near) and all(abs(by_id[s] - d) <= 1e-9 * (1 + d) for s, d in zip(ranked, distances))


# ---- a trained model, edited step by step in SQL -----------------------------------------------------------------------

def customers(db):
    """A model of 500 customers, trained; the customers in table edited; the same as dicts."""
    columns = ", ".join(CUSTOMER_NAMES)
    db.run(f"DROP TABLE IF EXISTS edited; CREATE TABLE edited AS SELECT customer_id AS i, {columns}, region, education, defaulted "
           "FROM segmentation.sample_customers(500, 3)")
    text = db.one(f"SELECT kmeans(ARRAY[{columns}], 6, %s::jsonb)::text FROM edited",
                  (json.dumps({"scale": "zscore", "features": CUSTOMER_NAMES}),))
    every = CUSTOMER_NAMES + ["region", "education", "defaulted"]
    rows = [dict(zip(every, row)) for row in db.rows(f"SELECT {', '.join(every)} FROM edited ORDER BY i")]
    return text, rows


def jsonb_set(db, text, edits):
    """The model after jsonb_set of each path, in the server."""
    for path, value in edits.items():
        text = db.one("SELECT jsonb_set(%s::kmeans_model::jsonb, %s, %s::jsonb)::kmeans_model::text",
                      (text, "{" + path + "}", json.dumps(value)))
    return text


def test_steps_edited_in_sql(tally, db):
    """Each step alone, by jsonb_set on a trained model; the offsets are moved with the transform so that segments differ."""
    trained, rows = customers(db)
    edits = {
        "as trained": ({}, True),
        "log1p": ({"inputs,2,transform": "log1p", "offset,2": 3.8, "scale,2": 0.6}, False),
        "asinh": ({"inputs,3,transform": "asinh", "offset,3": 1.0, "scale,3": 0.7}, False),
        "clip": ({"inputs,2,clip_low": 20, "inputs,2,clip_high": 90.5, "inputs,4,clip_high": 3}, True),
        "clip to a point": ({"inputs,0,clip_low": 40, "inputs,0,clip_high": 40}, True),
        "offset": ({"offset,1": -3.25}, True),
        "negative scale": ({"scale,0": -7.5}, True),
        "centroid": ({"centroids,2,3": 4.125}, True),
        "id": ({"segments,0,id": 99}, True),
        "cosine": ({"distance": "cosine"}, True),
    }
    before = [answer for _, answer in (ranked[0] for ranked in map(ReferenceScorer(json.loads(trained)).ranked, rows))]
    for name, (changes, exact) in edits.items():
        model = json.loads(jsonb_set(db, trained, changes))
        for path, value in changes.items():
            at = model
            for step in path.split(","):
                at = at[int(step) if isinstance(at, list) else step]
            tally.equal(f"{name}: {path} was set", at, value)
        expected = check_scores(tally, db, name, model, rows, exact, table_is_loaded=True)
        after = [ranked[0][1] for ranked in expected]
        tally.check(f"{name}: the edit changes what it should", (before != after) == bool(changes))


def test_types_of_columns(tally, db):
    """Categorical inputs from text, integer and boolean columns, a boolean as a number; the two forms read them alike."""
    trained, rows = customers(db)
    model = json.loads(trained)
    model["inputs"] = model["inputs"][:2] + [
        {"name": "region", "kind": "categorical", "levels": ["central", "north", "west"], "unseen": "other", "impute": None},
        {"name": "education", "kind": "categorical", "levels": ["1", "2", "5"], "unseen": "zero", "impute": None},
        {"name": "defaulted", "kind": "categorical", "levels": ["f", "t"], "unseen": "null", "impute": "f"}]
    rng = np.random.default_rng(21)
    model["offset"] = model["offset"][:2] + [0.2] * 9
    model["scale"] = model["scale"][:2] + [0.5] * 9
    model["centroids"] = rng.normal(size=(6, 11)).tolist()
    as_text = [dict(row, education=str(row["education"]), defaulted=None if row["defaulted"] is None else "ft"[row["defaulted"]])
               for row in rows]
    check_scores(tally, db, "categorical columns of several types", model, as_text, True, table_is_loaded=True)
    model = json.loads(trained)
    model["inputs"][4] = dict(model["inputs"][4], name="defaulted", impute=0.25)
    as_numbers = [dict(row, defaulted=None if row["defaulted"] is None else float(row["defaulted"])) for row in rows]
    check_scores(tally, db, "a boolean as a number", model, as_numbers, True, table_is_loaded=True, arrays=False)
    without = db.one(f"SELECT kmeans_assign({MODEL}, to_jsonb(c) - 'defaulted') FROM edited c WHERE i = 1",
                     {"model": json.dumps(model)})
    tally.equal("a member that jsonb does not have is missing", without,
                ReferenceScorer(model).ranked(dict(rows[0], defaulted=None))[0][1])


# ---- models made up ----------------------------------------------------------------------------------------------------

NAMES = ["income", "Card Debt", 'with "quotes"', "Straße", "été ☃", "select", "f1", "x.y", "tab\there"]
LEVELS = ["", "a", "A", "B b", "Ärger", "ß", "north", "north ", "o'clock",
          '"quoted"', "back\\slash", "☃", "\U0001f600", "zebra", "1", "1.0"]
SPECIAL = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, -5.0, 1e-300, 5e-324, 1e100, -1e100, 1e200, 1.7e308, -1.7e308]


def made_up(rng, base, transforms, cosine, rotation):
    """A random model on the bones of a trained one."""
    model = copy.deepcopy(base)
    model["distance"] = "cosine" if cosine else "euclidean"
    names = list(rng.permutation(NAMES)[:rng.integers(1, 6)])
    model["inputs"] = []
    width = 0
    for name in names:
        if rng.random() < 0.4:
            levels = sorted((str(x) for x in rng.permutation(LEVELS)[:rng.integers(1, 6)]), key=lambda x: x.encode())
            unseen = ("other", "zero", "null")[rng.integers(3)]
            impute = None
            if rng.random() < 0.6:
                impute = str(rng.choice(levels)) if rng.random() < 0.7 or unseen != "other" else "never seen"
            model["inputs"].append({"name": str(name), "kind": "categorical", "levels": levels, "unseen": unseen, "impute": impute})
            width += len(levels) + (unseen == "other")
            continue
        low, high = sorted(rng.normal(size=2) * 20)
        model["inputs"].append({
            "name": str(name), "kind": "numeric",
            "transform": ("none", "log1p", "asinh")[rng.integers(3)] if transforms else "none",
            "clip_low": float(low) if rng.random() < 0.3 else None, "clip_high": float(high) if rng.random() < 0.3 else None,
            "impute": float(rng.normal() * 30) if rng.random() < 0.5 else None})
        width += 1
    dimensions = width
    model["offset"] = (rng.normal(size=width) * rng.choice([0, 1])).tolist()
    model["scale"] = (np.exp(rng.normal(size=width)) * rng.choice([1, -1], size=width)).tolist()
    model["rotation"] = None
    if rotation:
        dimensions = int(rng.integers(1, width + 1))
        axes = np.linalg.qr(rng.normal(size=(width, width)))[0][:dimensions]
        model["rotation"] = {"center": rng.normal(size=width).tolist(), "axes": axes.tolist()}
    k = int(rng.integers(1, 20))
    centroids = rng.normal(size=(k, dimensions)) * 2
    if k > 2:
        centroids[k - 1] = centroids[0]  # a tie
    if cosine:
        centroids /= np.linalg.norm(centroids, axis=1)[:, None]
    model["centroids"] = centroids.tolist()
    ids = rng.choice(1000, size=k, replace=False)
    model["segments"] = [{"id": int(i), "rows": int(rng.integers(100)), "weight": float(rng.integers(100)),
                          "inertia": float(rng.exponential())} for i in ids]
    return model


def made_up_rows(rng, model, count):
    rows = []
    for _ in range(count):
        row = {}
        for item in model["inputs"]:
            if item["kind"] == "categorical":
                row[item["name"]] = (None if rng.random() < 0.1 else str(rng.choice(item["levels"])) if rng.random() < 0.6
                                     else str(rng.choice(LEVELS)))
            elif rng.random() < 0.15:
                row[item["name"]] = SPECIAL[rng.integers(len(SPECIAL))]
            else:
                row[item["name"]] = float(rng.normal() * 10 ** rng.uniform(-1, 2))
        rows.append(row)
    return rows


def test_made_up_models(tally, db):
    base = json.loads(customers(db)[0])
    rng = np.random.default_rng(22)
    scored = unscored = 0
    for transforms in (False, True):
        for cosine in (False, True):
            for rotation in (False, True):
                for trial in range(12):
                    where = "made up" + " transforms" * transforms + " cosine" * cosine + " rotation" * rotation + f" {trial}"
                    model = made_up(rng, base, transforms, cosine, rotation)
                    # Far from 0 a last digit of a logarithm is more than 1e-9 of the distance once it is rotated and normalised.
                    expected = check_scores(tally, db, where, model, made_up_rows(rng, model, 60), exact=not transforms)
                    scored += sum(bool(e) for e in expected)
                    unscored += sum(not e for e in expected)
    tally.check("made up: rows with and without a score", min(scored, unscored) > 500, f"{scored} and {unscored}")
    tally.note(f"made-up models: 96, {scored} rows with a score and {unscored} without")


def test_explain_and_centroids(tally, db):
    """kmeans_explain adds up, and kmeans_centroids is the way back, also with rotation, transforms and categorical inputs."""
    base = json.loads(customers(db)[0])
    rng = np.random.default_rng(23)
    worst, lines_seen = 0.0, 0
    for trial in range(40):
        model = made_up(rng, base, transforms=trial % 2 == 1, cosine=trial % 4 > 1, rotation=trial % 8 > 3)
        scorer = ReferenceScorer(model)
        rows = [row for row in made_up_rows(rng, model, 40)
                if all(isinstance(value, str) or value is None or abs(value) < 1e6 for value in row.values())]
        load(db, model, rows)
        text = json.dumps(model)
        found = {}
        for i, *line in db.rows(f"""SELECT i, feature, value, centroid, contribution
                                    FROM edited c, kmeans_explain({MODEL}, c) WITH ORDINALITY
                                         e(feature, value, centroid, contribution, line)
                                    ORDER BY i, line""", {"model": text}):
            found.setdefault(i, []).append(line)
        centroids = {}
        for segment, feature, raw, scaled in db.rows(f"SELECT * FROM kmeans_centroids({MODEL})", {"model": text}):
            centroids.setdefault(segment, {})[feature] = (raw, scaled)
        check_centroids(tally, f"explain {trial}", model, scorer, centroids)
        ok = True
        for i, row in enumerate(rows):
            ranked, lines = scorer.ranked(row), found.get(i, [])
            if not ranked or len(model["segments"]) == 1:
                ok = ok and len(lines) == (len(model["offset"]) if ranked else 0) and all(line[3] is None for line in lines)
                continue
            y, parts = scorer.point(row), [line[3] for line in lines]
            size = 1 + sum(v * v for v in y) + ranked[1][0] ** 2
            difference = ranked[1][0] ** 2 - ranked[0][0] ** 2
            error = abs(math.fsum(parts) - difference) / size
            worst, lines_seen = max(worst, error), lines_seen + len(lines)
            shown = {name: value for name, value, _, _ in lines}
            ok = ok and error < 1e-9 and parts == sorted(parts, reverse=True) and shown == shown_values(model, scorer, row)
            near_tie = difference < 1e-9 * size
            ok = ok and (near_tie or all(line[2] == centroids[ranked[0][1]][line[0]][0] for line in lines))
        tally.check(f"explain {trial}: {len(rows)} rows", ok)
    tally.check("explain: lines seen", lines_seen > 1000, str(lines_seen))
    tally.note(f"made-up models: {lines_seen} lines of kmeans_explain, largest gap of a sum {worst:.1e} of the squared lengths")


def column_names(model):
    names = []
    for item in model["inputs"]:
        names += [item["name"]] if item["kind"] == "numeric" else [f"{item['name']}={level}" for level in item["levels"]]
        names += [f"{item['name']}=(other)"] if item.get("unseen") == "other" else []
    return names


def shown_values(model, scorer, row):
    """After imputation and clipping, before the transform; 0 or 1 for a column of a categorical."""
    plain = ReferenceScorer(dict(model, inputs=[dict(item, transform="none") for item in model["inputs"]]))
    return dict(zip(column_names(model), plain.encode(row)))


def check_centroids(tally, where, model, scorer, centroids):
    names = column_names(model)
    scaled = np.array(model["centroids"])
    if model["rotation"] is not None:
        scaled = np.array(model["rotation"]["center"]) + scaled @ np.array(model["rotation"]["axes"])
    raw = np.array(model["offset"]) + scaled * np.array(model["scale"])
    transforms = []
    for item in model["inputs"]:
        width = 1 if item["kind"] == "numeric" else len(item["levels"]) + (item["unseen"] == "other")
        transforms += [item.get("transform", "none")] * width
    for j, transform in enumerate(transforms):
        raw[:, j] = {"none": lambda v: v, "log1p": np.expm1, "asinh": np.sinh}[transform](raw[:, j])
    tally.equal(f"{where}: segments and columns of kmeans_centroids", {s: list(c) for s, c in centroids.items()},
                {s: names for s in scorer.ids})
    tally.close(f"{where}: scaled centroids", [[centroids[s][n][1] for n in names] for s in scorer.ids], scaled, 1e-12, 1e-12)
    tally.close(f"{where}: raw centroids", [[centroids[s][n][0] for n in names] for s in scorer.ids], raw, 1e-11, 1e-11)


def test_evaluate(tally, db):
    """kmeans_evaluate of edited models on rows with missing values: rows, skipped, inertia, silhouette, mean distance."""
    base = json.loads(customers(db)[0])
    rng = np.random.default_rng(24)
    checked = 0
    while checked < 12:
        model = made_up(rng, base, transforms=checked % 2 == 1, cosine=checked % 3 == 1, rotation=checked % 4 > 1)
        if any(item["kind"] == "categorical" for item in model["inputs"]) or len(model["segments"]) < 2:
            continue
        where = f"evaluate {checked}"
        rows = made_up_rows(rng, model, 300)
        for row in rows:  # huge values would leave nothing else to see
            row.update({n: None for n, v in row.items() if v is not None and abs(v) > 1e6})
        load(db, model, rows)
        scorer = ReferenceScorer(model)
        points = np.array([p for p in map(scorer.point, rows) if p is not None])
        if len(points) < 20:
            continue
        array = f"ARRAY[{', '.join(quoted(item['name']) for item in model['inputs'])}]"
        judged = db.named(f"SELECT (e).* FROM (SELECT kmeans_evaluate({MODEL}, {array}) e FROM edited) q",
                          {"model": json.dumps(model)})
        two = np.sort(squares_to(points, np.array(model["centroids"])), axis=1)[:, :2]
        tally.equal(f"{where}: rows and skipped", (judged["rows"], judged["skipped"]), (len(points), len(rows) - len(points)))
        tally.close(f"{where}: inertia", judged["inertia"], two[:, 0].sum())
        tally.close(f"{where}: mean distance", judged["mean_distance"], np.sqrt(two[:, 0]).mean())
        ratio = np.where(two[:, 1] > 0, np.sqrt(two[:, 0] / np.where(two[:, 1] > 0, two[:, 1], 1)), 1)
        tally.close(f"{where}: silhouette", judged["silhouette"], (1 - ratio).mean(), 1e-9, 1e-12)
        checked += 1


# ---- the edges of the format -------------------------------------------------------------------------------------------

def one_input(base, centroids, **changes):
    """A model of one numeric input x with offset 0, scale 1 and these centroids; ids 0, 1, …"""
    model = copy.deepcopy(base)
    plain = {"name": "x", "kind": "numeric", "transform": "none", "clip_low": None, "clip_high": None, "impute": None}
    model.update(distance="euclidean", rotation=None, offset=[0], scale=[1], centroids=[[c] for c in centroids],
                 inputs=[{**plain, **changes}],
                 segments=[{"id": i, "rows": 1, "weight": 1, "inertia": 1} for i in range(len(centroids))])
    return model


def test_edges(tally, db):
    base = json.loads(customers(db)[0])
    values = [0.0, 1.0, -1.0, -2.0, 1e150, 1e154, 1e155, 1e200, -1e200, 1.7e308, math.nan, math.inf, -math.inf, None, 5e-324]
    rows = [{"x": value} for value in values]
    for name, model, exact in (
            ("plain", one_input(base, [0, 1]), True),
            ("one segment", one_input(base, [0.5]), True),
            ("a segment out of reach", one_input(base, [0, 1e200]), True),
            ("the first segment out of reach", one_input(base, [1e200, 0]), True),
            ("two of three segments out of reach", one_input(base, [1e200, 0, -1e300]), True),
            ("imputed", one_input(base, [0, 1], impute=0.75), True),
            ("imputed, then clipped", one_input(base, [0, 1], impute=100, clip_high=0.25), True),
            ("clipped from infinity is still missing", one_input(base, [0, 1], clip_high=0.25), True),
            ("log1p", one_input(base, [0, 1], transform="log1p"), False),
            ("log1p of an imputed -2", one_input(base, [0, 1], transform="log1p", impute=-2), False),
            ("asinh", one_input(base, [0, 1], transform="asinh"), False),
            ("a scale so small that z overflows", dict(one_input(base, [0, 1]), scale=[1e-308]), True)):
        check_scores(tally, db, f"edge, {name}", model, rows, exact)


def test_beyond_the_range(tally, db):
    """Squared distances that are not finite: no score, so nothing to explain; and nobody is their own runner-up."""
    base = json.loads(customers(db)[0])
    for form, argument in (("array", "ARRAY[x]"), ("row", "c"), ("jsonb", "to_jsonb(c)")):
        model = {"model": json.dumps(one_input(base, [0, 1]))}
        from_far = "FROM (SELECT 1e200::float8 AS x) c"
        answer = db.row(f"SELECT kmeans_assign({MODEL}, {argument}), kmeans_distance({MODEL}, {argument}) {from_far}", model)
        tally.equal(f"no score, {form}", answer, (None, None))
        lines = db.rows(f"SELECT e.* {from_far}, kmeans_explain({MODEL}, {argument}) e", model)
        tally.equal(f"nothing to explain without a score, {form}", lines, [])
        model = {"model": json.dumps(one_input(base, [0, 1e200]))}
        segment, runner_up = db.row(f"""SELECT s.segment, s.runner_up
                                        FROM (SELECT 0::float8 AS x) c, kmeans_score({MODEL}, {argument}) s""", model)
        tally.equal(f"segment with the other out of reach, {form}", segment, 0)
        tally.check(f"runner-up with the other out of reach, {form}", runner_up != segment,
                    f"segment {segment}, runner_up {runner_up}")
    judged = db.named(f"""SELECT (e).* FROM (SELECT kmeans_evaluate({MODEL}, ARRAY[x]) e
                          FROM (VALUES (0.25::float8), (1e200), (0.5), (NULL)) v(x)) q""",
                      {"model": json.dumps(one_input(base, [0, 1]))})
    tally.equal("kmeans_evaluate skips what has no score", (judged["rows"], judged["skipped"]), (2, 2))
    tally.equal("kmeans_evaluate: inertia of the others", judged["inertia"], 0.25 ** 2 + 0.5 ** 2)
