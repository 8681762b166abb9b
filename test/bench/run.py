"""Runs the lines of the table in docs/performance.md, ours and the peers in turn; scripts/bench.sh starts it beside a server."""
import argparse
import json
import os
import sys
import time
import traceback
import warnings

import lines_core
import lines_score
import lines_train
import machine
from race import Bench, as_text, first_line
from server import Session, Tables

LINES = {"1": lines_core.line_1, "2": lines_train.line_2, "3": lines_train.line_3, "4": lines_train.line_4, "5": lines_train.line_5,
         "6": lines_train.line_6, "7": lines_score.line_7, "8": lines_train.line_8, "9": lines_score.line_9, "10": lines_core.line_10,
         "11": lines_score.line_11, "12": lines_train.line_12, "13": lines_score.line_13, "quality": lines_train.quality}


def arguments():
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows and two runs: shows that everything runs, measures nothing")
    parser.add_argument("--grid", action="store_true", help="line 1 over the whole grid, 10,000,000 rows too (an hour more)")
    parser.add_argument("--lines", default=",".join(LINES), help="which lines, for instance 1,2,quality (default: all)")
    parser.add_argument("--runs", type=int, help="runs of each contender (default 5)")
    parser.add_argument("--budget", type=float, default=200, help="seconds that a contender of one comparison may take in all; one that "
                        "takes longer has fewer runs, and the row says so (default: what each line sets, up to 200)")
    parser.add_argument("--rows", type=int, help="instead of 1,000,000 rows; ten times as many instead of 10,000,000")
    parser.add_argument("--output", required=True, help="directory of results.json; the results of other lines in it are kept")
    parser.add_argument("--core", required=True, help="the program core_grid")
    chosen = parser.parse_args()
    chosen.lines = chosen.lines.split(",")
    unknown = [line for line in chosen.lines if line not in LINES]
    if unknown:
        parser.error(f"no line {', '.join(unknown)}; there are: {', '.join(LINES)}")
    return chosen


def run_line(bench, tables, line):
    """One line: what it found, as it goes into results.json."""
    bench.table, bench.measurements, bench.left_out = [], [], []
    bench.say(f"==== line {line}")
    before = time.monotonic()
    try:
        LINES[line](bench, tables)
    except Exception as error:  # a line that cannot go on has failed; the others still run
        traceback.print_exc()
        bench.holds(line, "the line ran to its end", "", False, first_line(error))
    tables.session.run("CHECKPOINT")
    print("\n" + as_text(bench.table) + "\n", flush=True)
    return {"seconds": time.monotonic() - before, "table": bench.table, "measurements": bench.measurements, "left_out": bench.left_out}


def main():
    warnings.filterwarnings("ignore")  # scikit-learn's about convergence, numpy's about fromstring
    chosen = arguments()
    rows = chosen.rows or (50_000 if chosen.quick else 1_000_000)
    os.makedirs(chosen.output, exist_ok=True)
    bench = Bench(quick=chosen.quick, grid=chosen.grid, runs=chosen.runs or (2 if chosen.quick else 5), rows=rows, large=10 * rows,
                  threads=min(2, len(os.sched_getaffinity(0))), work_directory=chosen.output, core_program=chosen.core,
                  budget=5 if chosen.quick else chosen.budget)
    tables = Tables(bench)
    about = machine.describe(Session())
    settings = machine.settings(Session())
    for name, value in {**about, **settings}.items():
        print(f"{name + ':':34}{value}")
    print(f"{'threads and parallel workers:':34}{bench.threads} unless a line says otherwise\n", flush=True)

    if os.getloadavg()[0] > 0.5 and not bench.quick:
        print("WARNING: this machine is busy; peers with two threads suffer most from that\n", flush=True)
    path = os.path.join(chosen.output, "results.json")
    results = {}
    if os.path.exists(path):
        with open(path) as file:
            results = json.load(file)
    options = {name: getattr(bench, name) for name in ("quick", "grid", "runs", "rows", "large", "threads")}
    everything = []
    for line in chosen.lines:
        found = run_line(bench, tables, line)
        everything += found["table"]
        results[line] = {"machine": about, "settings": settings, "options": options, **found}
        with open(path, "w") as file:
            json.dump({name: results[name] for name in LINES if name in results}, file, indent=1)
    print("==== all lines of this run\n\n" + as_text(everything) + "\n")
    judged = [row for row in everything if row["met"] is not None]
    print(f"{sum(row['met'] for row in judged)} of {len(judged)} targets met"
          + (" (sizes of --quick say nothing about them)" if bench.quick else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
