"""results.json to docs/performance.md and its pictures. What was found out by hand is in docs/performance_notes.md, which is taken in.

    python3 test/bench/report.py build/bench/results.json docs/performance.md
"""
import json
import os
import sys

from race import HEADINGS, NUMERIC, cells

TITLES = {
    "1": "One Lloyd iteration in memory, over the grid",
    "2": "kmeans with given centroids, k = 8", "3": "kmeans with given centroids, k = 32", "4": "All defaults",
    "5": "Ten times the rows, exact", "6": "Ten times the rows in 64 MB", "7": "Scoring", "8": "Train, score and keep the labels",
    "9": "Labels of a window", "10": "Two threads against one", "11": "Many small groups", "12": "Growth with the rows", "13": "Local outlier factors",
    "quality": "Quality of the defaults"}


def escape(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def table(headings, rows, right=()):
    lines = ["| " + " | ".join(headings) + " |", "|" + "|".join("---:" if i in right else "---" for i in range(len(headings))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(escape, row)) + " |" for row in rows])


def result_table(rows):
    """The rows of one line, notes as numbered footnotes."""
    body, notes = [], []
    for row in rows:
        line = cells(row)[1:]
        if row["note"]:
            if row["note"] not in notes:
                notes.append(row["note"])
            line[0] += f" ({notes.index(row['note']) + 1})"
        if row["met"] is False:
            line[-1] = "**NO**"
        body.append(line)
    text = table(HEADINGS[1:], body, {i - 1 for i in NUMERIC | {6}}).replace("\\*\\*NO\\*\\*", "**NO**")
    return text + "".join(f"\n{'' if i else chr(10)}{i + 1}. {escape(note)}" for i, note in enumerate(notes))


def summary(results):
    rows = []
    for line, found in results.items():
        judged = [row for row in found["table"] if row["met"] is not None]
        missed = [row for row in judged if not row["met"]]
        said = "; ".join(f"{row['what']} ({row['data']}{', against ' + row['peer'] if row['peer'] else ''}): {cells(row)[6]}, "
                         f"target {cells(row)[7]}" for row in missed)
        rows.append([line, TITLES[line], f"{len(judged) - len(missed)} of {len(judged)}", said or "–"])
    return table(["line", "what", "targets met", "not met"], rows)


def machine_table(results):
    """What all lines have in common, and what differs between runs."""
    first = next(iter(results.values()))
    merged = {}
    for found in results.values():
        for key, value in {**found["machine"], "runs of each": str(found["options"]["runs"])}.items():
            merged.setdefault(key, [])
            if value not in merged[key]:
                merged[key].append(value)
    settings = ", ".join(f"`{name} = {value}`" for name, value in first["settings"].items())
    return table(["", ""], [[key, ", ".join(values)] for key, values in merged.items()] + [["server settings", settings]])


def grid_document(measurements):
    rows = []
    names = ["ours", "scikit-learn Lloyd", "scikit-learn Elkan", "FAISS"]
    for m in measurements:
        times = {c["name"]: sorted(c["seconds"])[len(c["seconds"]) // 2] * 1000 for c in m["contenders"] if c["seconds"]}
        peers = [times[name] for name in names[1:] if name in times]
        ours = times.get("ours")
        ratio = [f"{times[names[1]] / ours:.2f}×" if ours and names[1] in times else "–",
                 f"{min(peers) / ours:.2f}×" if ours and peers else "–"]
        rows.append([m["data"], f"{m['n']:,}", str(m["d"]), str(m["k"]), str(m["threads"])]
                    + [f"{times[name]:,.2f}" if name in times else "–" for name in names] + ratio)
    head = ["data", "n", "d", "k", "threads"] + names + ["Lloyd / ours", "fastest peer / ours"]
    return ("# One iteration of Lloyd's algorithm, cell by cell\n\nMade by `scripts/bench.sh`; milliseconds, medians. "
            "[What was measured](../performance.md).\n\n" + table(head, rows, range(1, len(head))) + "\n")


FAIRNESS = """\
- Ours and the peers run in turn within one run; a number is the median of the runs. A slow peer stops when it has used up its time
  (150 s a comparison, some lines have less); how many runs it made is then said.
- All have the same number of threads, and the server as many parallel workers. Peers use OpenBLAS, and
  OMP_WAIT_POLICY=passive: without it FAISS's threads get in one another's way.
- scikit-learn's iterations (line 1) are timed inside `fit`: the checking, copying and centring of the data are not counted. So
  is preparing the rows (bounds, single-precision copies) not counted for ours; how long it takes is said. All iterations of a call divide its time,
  and what follows the last one (labels and inertia that belong to the final centroids) is inside it, for ours and scikit-learn.
- FAISS computes in single precision, the others in double.
- The Python round trip is psycopg2, numpy and scikit-learn on the same machine, over the loopback. `binary` is the fastest way
  that we know (binary COPY, read by numpy without a loop); `text` is COPY as text and numpy's parser of numbers, nearer to what
  people write, and what had been measured when the targets were set. `id` and labels go back by binary COPY. Imports, which take a second, are not counted.
- Customers are z-scored in ours and in the round trip; uniform data are taken as they are.
- The server runs with fsync off and everything in memory, which is as good for the round trip as for ours.
- Memory is private memory (RssAnon) of the process, sampled every 3 ms in a run that is not timed."""


def main():
    source, target = sys.argv[1:]
    with open(source) as file:
        results = json.load(file)
    directory = os.path.join(os.path.dirname(target), "performance")
    os.makedirs(directory, exist_ok=True)
    parts = ["# Performance", "Made by `scripts/bench.sh` from what it measured; only [Notes](#notes) are written by hand (in "
             "`docs/performance_notes.md`)." + (" **These are the sizes of `--quick`: they show that it runs, nothing else.**"
                                                if any(found["options"]["quick"] for found in results.values()) else "")]
    parts += ["## Summary", summary(results), "## Machine", machine_table(results), "## How it was measured", FAIRNESS]
    pictures = draw(results, directory)
    if pictures:
        parts += ["## Growth"] + pictures
    parts.append("## Results")
    parts.append("*ratio*: how many times faster ours is than the peer (≥), or how many times its time ours takes (≤), or the "
                 "number itself.")
    for line, found in results.items():
        heading = TITLES[line] if line == "quality" else f"Line {line}. {TITLES[line]}"
        parts += [f"### {heading}", result_table(found["table"])]
        if line == "1":
            with open(os.path.join(directory, "grid.md"), "w") as file:
                file.write(grid_document([m for m in found["measurements"]]))
            parts.append("[Every cell of the grid](performance/grid.md).")
        if found["left_out"]:
            parts.append("Left out: " + "; ".join(dict.fromkeys(found["left_out"])) + ".")
    notes = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "performance_notes.md")
    if os.path.exists(notes):
        with open(notes) as file:
            parts += ["## Notes", file.read().strip()]
    with open(target, "w") as file:
        file.write("\n\n".join(parts) + "\n")
    print(f"wrote {target}")


def draw(results, directory):
    try:
        import pictures
    except ImportError as error:
        return [f"No pictures: {error}."]
    made = []
    if "1" in results and pictures.core(results["1"]["measurements"], results["1"]["options"], os.path.join(directory, "growth_core.svg")):
        made.append("![Milliseconds of one iteration against n, d and k](performance/growth_core.svg)")
    trips = [(m["n"], pictures.median(c["seconds"])) for line in ("2", "5") if line in results for m in results[line]["measurements"]
             if m["data"] == "uniform" for c in m["contenders"] if c["name"] == "Python round trip (binary COPY)" and c["seconds"]]
    if "12" in results and pictures.queries(results["12"]["measurements"], trips, results["12"]["options"],
                                            os.path.join(directory, "growth_queries.svg")):
        made.append("![Seconds of SELECT kmeans(…) against the rows](performance/growth_queries.svg)")
    return made


if __name__ == "__main__":
    main()
