"""The reference analysis: the bank's card customers, from the raw table to the segments."""
import json
import os
from collections import Counter

import numpy as np
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from harness import ROOT, gap

DATA = os.path.join(ROOT, "..", "shared", "data", "customer_segmentation.csv")
REFERENCE = os.path.join(ROOT, "..", "shared", "reference", "card_customers.json")

# The file's header, with a name for its unnamed first column. Types as an analyst would give them: some int, some numeric.
TABLE = """
CREATE TABLE customers (
    "row number" int, "Customer Id" int PRIMARY KEY, "Age" int, "Edu" int, "Years Employed" int, "Income" numeric,
    "Card Debt" numeric, "Other Debt" double precision, "Defaulted" real, "DebtIncomeRatio" double precision)
"""
FEATURES = 'ARRAY["Age", "Years Employed", "Income", "Card Debt", "Other Debt", "DebtIncomeRatio"]'
NAMES = ["Age", "Years Employed", "Income", "Card Debt", "Other Debt", "DebtIncomeRatio"]


def load(tally, db, test):
    """The reference when the data is there and in table customers, view kept; None when it is not."""
    for path in (DATA, REFERENCE):
        if not os.path.exists(path):
            tally.skip(f"study.{test}", f"{os.path.normpath(path)} is not there (the data's licence is unknown, so it is not in "
                       "the repository)")
            return None
    with open(REFERENCE, encoding="utf-8") as file:
        reference = json.load(file)
    if db.one("SELECT to_regclass('customers')") is None:
        db.run(TABLE)
        with open(DATA, encoding="utf-8") as file:
            db.cursor.copy_expert("COPY customers FROM STDIN (FORMAT csv, HEADER)", file)
        db.run("CREATE TABLE left_out AS SELECT unnest(%s) AS id", (reference["outliers"]["removed_customer_ids"],))
        db.run('CREATE VIEW kept AS SELECT * FROM customers WHERE "Customer Id" NOT IN (SELECT id FROM left_out)')
    return reference


def train(db, k, **options):
    options = {"scale": "minmax", "features": NAMES, **options}
    return db.one(f"SELECT kmeans({FEATURES}, %s, %s::jsonb)::text FROM kept", (k, json.dumps(options)))


def scaled_rows(db, reference):
    """The kept rows, min-max scaled by the reference's own minima and maxima."""
    raw = np.array([r for r, in db.rows(f'SELECT {FEATURES} FROM kept ORDER BY "Customer Id"')], dtype=float)
    low, high = (np.array(reference["scaling"][key]) for key in ("min", "max"))
    return raw, (raw - low) / (high - low)


def test_data(tally, db):
    reference = load(tally, db, "test_data")
    if reference is None:
        return
    tally.equal("rows", db.one("SELECT count(*) FROM customers"), 850)  # reference: source
    tally.equal("kept", db.one("SELECT count(*) FROM kept"), reference["outliers"]["kept"])
    tally.equal("left out", db.one("SELECT count(*) FROM left_out"), 43)  # ANALYSIS.md, step 2
    tally.equal("outcome unknown", db.one('SELECT count(*) FROM customers WHERE "Defaulted" IS NULL'),
                reference["eda"]["defaulted_counts"]["unknown"])


def test_two_segments(tally, db):
    reference = load(tally, db, "test_two_segments")
    if reference is None:
        return
    expected = reference["kmeans_k2"]
    bare = db.one(f"""SELECT kmeans({FEATURES}, 2, '{{"scale":"minmax"}}')::text FROM kept""")
    model = train(db, 2)
    for name, text in (("without names", bare), ("with names", model)):
        info = db.info(text)
        tally.close(f"inertia {name}", info["inertia"], expected["inertia"])
        tally.equal(f"rows {name}", (info["rows"], info["skipped"], info["left_out"]), (807, 0, 0))
    # ANALYSIS.md, step 5, to the digits of the brief.
    tally.close("inertia in full", db.info(model)["inertia"], 103.62396740490007)
    parsed = json.loads(model)
    tally.close("offset", parsed["offset"], reference["scaling"]["min"], 1e-12)
    tally.close("scale", parsed["scale"], np.subtract(reference["scaling"]["max"], reference["scaling"]["min"]), 1e-12)
    clusters = db.rows("""SELECT segment, rows, share, weight, inertia, centroid FROM kmeans_clusters(%s::kmeans_model)
                          ORDER BY segment""", (model,))
    tally.equal("ids and sizes", [(c[0], c[1]) for c in clusters], list(enumerate(expected["sizes"])))
    tally.close("shares", [c[2] for c in clusters], np.divide(expected["sizes"], 807))
    tally.close("weights", [c[3] for c in clusters], expected["sizes"], 0)
    tally.close("inertia adds up", sum(c[4] for c in clusters), expected["inertia"])
    centroids = db.rows("""SELECT segment, feature, centroid, scaled FROM kmeans_centroids(%s::kmeans_model)""", (model,))
    by_key = {(segment, feature): (raw, scaled) for segment, feature, raw, scaled in centroids}
    tally.equal("centroid rows", len(centroids), 12)
    tally.close("scaled centroids", [[by_key[s, f][1] for f in NAMES] for s in (0, 1)], expected["centroids_scaled"])
    means = [[expected["mean"][str(s)][f] for f in NAMES] for s in (0, 1)]
    tally.close("raw centroids are the segment means", [[by_key[s, f][0] for f in NAMES] for s in (0, 1)], means)
    tally.close("kmeans_clusters has the raw centroids", [c[5] for c in clusters], means)
    columns = ", ".join(f'avg("{name}")::float8' for name in NAMES)
    for name, argument in (("array", FEATURES), ("row", "c"), ("jsonb", "to_jsonb(c)")):
        rows = db.rows(f"""SELECT kmeans_assign(%s::kmeans_model, {argument}), count(*), count("Defaulted"),
                                  count(*) FILTER (WHERE "Defaulted" = 1), {columns}
                           FROM kept c GROUP BY 1 ORDER BY 1""", (model,))
        tally.equal(f"sizes by {name}", [(r[0], r[1]) for r in rows], list(enumerate(expected["sizes"])))
        defaults = [(r[3], r[2]) for r in rows]
        tally.equal(f"defaults by {name}", defaults, [(125, 454), (38, 213)])  # ANALYSIS.md, "what went wrong there"
        tally.equal(f"defaults by {name} as in the reference", defaults,
                    [(expected["defaulted"][s]["defaulted"], expected["defaulted"][s]["known"]) for s in "01"])
        tally.close(f"means by {name}", [r[4:] for r in rows], means)
    same = db.one(f"""SELECT count(*) FROM kept c, (SELECT %s::kmeans_model AS m) q
                      WHERE kmeans_assign(m, c) = kmeans_assign(m, {FEATURES})
                        AND kmeans_assign(m, to_jsonb(c)) = kmeans_assign(m, {FEATURES})""", (model,))
    tally.equal("the three forms agree row by row", same, 807)


def test_every_k(tally, db):
    reference = load(tally, db, "test_every_k")
    if reference is None:
        return
    _, scaled = scaled_rows(db, reference)
    for expected in reference["evaluation_on_scaled_features"]["rows"]:
        k, found = expected["k"], {}
        for quality in ("fast", "default", "best"):
            model = train(db, k, quality=quality)
            info = db.info(model)
            found[quality] = info["inertia"]
            if quality == "fast":  # one start, stopped by tol: the centroids need not be the means
                continue
            labels = [s for s, in db.rows(f"""SELECT kmeans_assign(%s::kmeans_model, {FEATURES}) FROM kept
                                              ORDER BY "Customer Id" """, (model,))]
            judged = db.named(f"SELECT (e).* FROM (SELECT kmeans_evaluate(%s::kmeans_model, {FEATURES}) e FROM kept) q", (model,))
            where = f"k={k} {quality}"
            sizes = db.rows("SELECT segment, rows FROM kmeans_clusters(%s::kmeans_model) ORDER BY segment", (model,))
            tally.equal(f"sizes {where}", sizes, [(s, Counter(labels)[s]) for s in range(k)])
            for name, score in (("calinski_harabasz", calinski_harabasz_score), ("davies_bouldin", davies_bouldin_score)):
                tally.close(f"{name} of kmeans_info {where}", info[name], score(scaled, labels))
                tally.close(f"{name} of kmeans_evaluate {where}", judged[name], score(scaled, labels))
            means = np.array([scaled[np.array(labels) == s].mean(axis=0) for s in range(k)])
            tally.close(f"inertia of these labels {where}", info["inertia"], ((scaled - means[labels]) ** 2).sum())
            tally.close(f"inertia of kmeans_evaluate {where}", judged["inertia"], info["inertia"], 1e-12)
        tally.at_most(f"best inertia k={k}", found["best"], expected["inertia"] * (1 + 1e-9))
        tally.at_most(f"default inertia k={k}", found["default"], expected["inertia"] * 1.01)
        tally.note(f"scaled features k={k}: reference {expected['inertia']:.6f}, " +
                   ", ".join(f"{quality} {gap(value, expected['inertia']):+.4f} %" for quality, value in found.items()))


def test_principal_components(tally, db):
    """The reference's other evaluation: on the first four principal components, projected here by the reference's axes."""
    reference = load(tally, db, "test_principal_components")
    if reference is None:
        return
    _, scaled = scaled_rows(db, reference)
    axes = np.array(reference["pca"]["components"][:4])
    db.load("scores", (scaled - reference["pca"]["mean"]) @ axes.T)
    for expected in reference["evaluation_on_first_4_components"]["rows"]:
        k = expected["k"]
        info, plain = (db.info(db.fit("scores", k, {"quality": quality})) for quality in ("best", "default"))
        tally.at_most(f"best inertia on components k={k}", info["inertia"], expected["inertia"] * (1 + 1e-9))
        tally.at_most(f"default inertia on components k={k}", plain["inertia"], expected["inertia"] * 1.01)
        if abs(info["inertia"] / expected["inertia"] - 1) < 1e-9:  # the same clustering: the same scores
            for name in ("calinski_harabasz", "davies_bouldin"):
                tally.close(f"{name} on components k={k}", info[name], expected[name], 1e-8)
        tally.note(f"components k={k}: default {gap(plain['inertia'], expected['inertia']):+.4f} %, "
                   f"best {gap(info['inertia'], expected['inertia']):+.4f} %")
