#!/usr/bin/env python3
"""Runs the oracle tests against the server that the PG* environment points to:

    pg_virtualenv -t -v 15 python3 test/oracle/run.py [theme ...]

Every expected number comes from an independent implementation in the same run (scikit-learn, numpy, plain Python, R's data sets),
from the reference analysis beside the repository, or carries a comment that says where it is from. Makes a database for each theme and
drops it. The last line is "N passed, N failed, N skipped"; the exit status is 1 when anything failed.
"""
import importlib
import os
import sys

DEBIAN_PYTHON = "/usr/bin/python3"

# One thread for scikit-learn: on a busy machine its threads wait for each other a hundred times longer than they work.
for setting in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(setting, "1")

try:
    import numpy  # noqa: F401
    import psycopg2  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    # The python3 found first need not be the one that Debian's packages belong to.
    if os.path.exists(DEBIAN_PYTHON) and os.environ.get("SEGMENTATION_ORACLE_PYTHON") != DEBIAN_PYTHON:
        os.environ["SEGMENTATION_ORACLE_PYTHON"] = DEBIAN_PYTHON
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON] + sys.argv)
    sys.exit(f"{error}: install python3-psycopg2, python3-sklearn and python3-numpy")

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Tally, own_database  # noqa: E402

THEMES = ["study", "optima", "sklearn_parity", "quality", "scoring_forms", "edited_models", "step", "lifecycle", "outliers", "exploring", "pca",
          "choosing", "trimmed", "profiles", "stability"]


def main():
    themes = sys.argv[1:] or THEMES
    unknown = [theme for theme in themes if theme not in THEMES]
    if unknown:
        sys.exit(f"unknown theme {unknown[0]}; there are {', '.join(THEMES)}")
    tally = Tally()
    for theme in themes:
        with own_database() as db:  # so that themes may use one name for a table
            tally.run_theme(importlib.import_module(theme), db)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    sys.exit(1 if tally.failed else 0)


main()
