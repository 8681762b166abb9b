"""Pictures of growth for docs/performance.md, as SVG."""
import os

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend has to be chosen before)

STYLE = {"ours": ("#0b6e4f", "o", "-"), "scikit-learn Lloyd": ("#c8553d", "s", "--"), "scikit-learn Elkan": ("#8d6a9f", "^", "--"),
         "FAISS": ("#2d6cdf", "D", ":")}
OF_K = {2: ("#7fc8a9", "o"), 8: ("#0b6e4f", "s"), 32: ("#d08c00", "^"), 100: ("#a11d33", "D")}
pyplot.rcParams.update({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "svg.hashsalt": "segmentation", "figure.dpi": 100})


def median(seconds):
    ordered = sorted(seconds)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def save(figure, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    figure.savefig(path.replace(".svg", ".png"), dpi=80) if os.environ.get("BENCH_PNG") else None
    pyplot.close(figure)


def log_axes(axes, label, values):
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_xticks(sorted(values), [f"{v:,}" for v in sorted(values)])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}"))


def core(measurements, options, path):
    """Time of one iteration against n, d and k: a row of panels for each kind of data. False where there is nothing to show."""
    cells = [m for m in measurements if m["threads"] == options["threads"]]
    rows = options["rows"]
    panels = (("n", "rows n (d = 8, k = 8)", lambda m: m["d"] == 8 and m["k"] == 8),
              ("d", f"columns d (n = {rows:,}, k = 8)", lambda m: m["n"] == rows and m["k"] == 8),
              ("k", f"clusters k (n = {rows:,}, d = 8)", lambda m: m["n"] == rows and m["d"] == 8))
    kinds = sorted({m["data"] for m in cells}, reverse=True)
    if not kinds:
        return False
    height = 1 + 3.2 * len(kinds)
    figure, grid = pyplot.subplots(len(kinds), 3, figsize=(11, height), squeeze=False)
    for data, line in zip(kinds, grid):
        for (name, label, wanted), axes in zip(panels, line):
            chosen = sorted((m for m in cells if m["data"] == data and wanted(m)), key=lambda m: m[name])
            for contender, (color, marker, dash) in STYLE.items():
                points = [(m[name], 1000 * median(c["seconds"])) for m in chosen for c in m["contenders"]
                          if c["name"] == contender and c["seconds"]]
                if points:
                    axes.plot(*zip(*points), color=color, marker=marker, linestyle=dash, markersize=5, label=contender)
            if chosen:
                log_axes(axes, label, {m[name] for m in chosen})
            axes.set_title(f"{data} data")
        line[0].set_ylabel("ms per iteration")
    handles, labels = grid[0][1].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.7 / height))
    figure.legend(handles, labels, loc="upper center", ncol=4, frameon=False,
                  title=f"One iteration of Lloyd's algorithm in memory, {options['threads']} threads; lower is better")
    save(figure, path)
    return True


def queries(measurements, round_trips, options, path):
    """Time of SELECT kmeans(…) against the rows: given centroids, and the defaults."""
    kinds = sorted({m["kind"] for m in measurements if m["kind"] != "array floor"}, reverse=True)
    sizes = sorted({m["n"] for m in measurements})
    if not kinds:
        return False
    figure, panels = pyplot.subplots(1, len(kinds), figsize=(5.5 * len(kinds), 4.6), squeeze=False, sharey=True)

    def series(wanted):
        found = [(m["n"], median(c["seconds"])) for m in measurements if wanted(m) for c in m["contenders"] if c["seconds"]]
        return sorted(found)

    for kind, axes in zip(kinds, panels[0]):
        for k, (color, marker) in OF_K.items():
            points = series(lambda m: m["kind"] == kind and m["k"] == k)
            if points:
                axes.plot(*zip(*points), color=color, marker=marker, label=f"kmeans, k = {k}")
        floor = series(lambda m: m["kind"] == "array floor")
        if floor:
            axes.plot(*zip(*floor), color="#777777", linestyle=":", marker=".", label="count(ARRAY[…]), the floor")
        if kind.startswith("explicit") and round_trips:
            axes.plot(*zip(*sorted(round_trips)), color="#2d6cdf", linestyle="--", marker="x", label="Python round trip, k = 8")
        log_axes(axes, "rows", sizes)
        axes.set_title(kind)
    panels[0][0].set_ylabel("seconds")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 0.85))
    figure.legend(handles, labels, loc="upper center", ncol=3, frameon=False,
                  title=f"SELECT kmeans(…) over a table of 8 columns, {options['threads']} workers and threads; lower is better")
    save(figure, path)
    return True
