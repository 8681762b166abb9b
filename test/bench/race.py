"""Measuring: contenders that run in turn, and the rows of the table of results."""
import gc
import statistics
import time
from dataclasses import dataclass, field


@dataclass
class Timed:
    """What a contender returns that has its own clock (an iteration, or the inside of another process)."""
    seconds: float
    value: object = None


@dataclass
class Timing:
    name: str
    times: list = field(default_factory=list)  # seconds
    value: object = None                       # what the last run returned
    error: str = None
    cut_short: bool = False                    # stopped before all runs were done, because it is slow

    @property
    def ms(self):
        return statistics.median(self.times) * 1000 if self.times else None

    def described(self, runs):
        if self.error:
            return f"{self.name} failed ({self.error})"
        return f"{self.name} {self.ms:,.1f} ms" + (f" ({len(self.times)} of {runs} runs)" if self.cut_short else "")

    def to_json(self):
        return {"name": self.name, "seconds": [round(t, 9) for t in self.times], "error": self.error, "cut_short": self.cut_short}


def first_line(error):
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


@dataclass
class Bench:
    """Settings of this run, and what it has found so far."""
    quick: bool
    grid: bool
    runs: int
    rows: int            # "1,000,000 rows" of the issue
    large: int           # "10,000,000 rows"
    threads: int         # of ours and of the peers; also the number of parallel workers
    work_directory: str
    core_program: str
    budget: float = 150  # seconds after which a contender of one race runs no more
    table: list = field(default_factory=list)
    measurements: list = field(default_factory=list)
    left_out: list = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def say(self, text):
        print(f"[{time.monotonic() - self.started:7.1f} s] {text}", flush=True)

    def leave_out(self, text):
        self.say(f"left out: {text}")
        self.left_out.append(text)

    def race(self, what, contenders, runs=None, budget=None, **parameters):
        """Runs the contenders ({name: callable}) in turn, `runs` times. A callable returns Timed, or is timed as a whole. One that
        fails is out, with its error; one that has used up the budget runs no more. Returns {name: Timing}."""
        runs, budget = runs or self.runs, min(budget or self.budget, self.budget)
        timings = {name: Timing(name) for name in contenders}
        spent = dict.fromkeys(contenders, 0.0)
        for _ in range(runs):
            for name, contender in contenders.items():
                timing = timings[name]
                if timing.error:
                    continue
                if timing.times and spent[name] + spent[name] / len(timing.times) > budget:
                    timing.cut_short = True
                    continue
                timing.value = None
                gc.collect()
                before = time.perf_counter()
                try:
                    result = contender()
                except Exception as error:  # a peer that fails is reported, and the others go on
                    timing.error = first_line(error)
                    continue
                elapsed = time.perf_counter() - before
                spent[name] += elapsed
                timing.times.append(result.seconds if isinstance(result, Timed) else elapsed)
                timing.value = result.value if isinstance(result, Timed) else result
        self.measurements.append({"what": what, **parameters, "contenders": [t.to_json() for t in timings.values()]})
        self.say(f"{what}: " + ", ".join(t.described(runs) for t in timings.values()))
        return timings

    def faster(self, line, what, data, ours, peer, at_least=None, note=""):
        """A row that says how many times faster ours is than the peer (both Timings)."""
        ratio = None if ours.error or peer.error else peer.ms / ours.ms
        self._add_times(line, what, data, ours, peer, ratio, "≥", at_least, note)

    def costs(self, line, what, data, ours, peer, at_most=None, note=""):
        """A row that says how many times the time of the peer ours takes."""
        ratio = None if ours.error or peer.error else ours.ms / peer.ms
        self._add_times(line, what, data, ours, peer, ratio, "≤", at_most, note)

    def _add_times(self, line, what, data, ours, peer, ratio, sign, target, note):
        notes = [note] if note else []
        notes += [f"{t.name} failed: {t.error}" for t in (ours, peer) if t.error]
        notes += [f"{t.name}: {len(t.times)} run{'s' if len(t.times) > 1 else ''}" for t in (ours, peer) if t.cut_short]
        self._add(line, what, data, ours.ms, peer.name, peer.ms, ratio, "×", sign, target, "; ".join(notes))

    def at_most(self, line, what, data, value, unit, target=None, note=""):
        """A row about one number; None where it could not be measured."""
        self._add(line, what, data, None, "", None, value, unit, "≤", target, note)

    def at_least(self, line, what, data, value, unit, target=None, note=""):
        self._add(line, what, data, None, "", None, value, unit, "≥", target, note)

    def holds(self, line, what, data, condition, note=""):
        """A row about something that has to be so."""
        self._add(line, what, data, None, "", None, None, "", "", None, note)
        self.table[-1]["met"] = bool(condition)

    def failed(self, line, what, data, error):
        """A row about something that could not be measured."""
        self.say(f"line {line}: {what}: {error}")
        text = error if isinstance(error, str) else first_line(error)
        self._add(line, what, data, None, "", None, None, "", "", None, text)

    def _add(self, line, what, data, ours_ms, peer, peer_ms, value, unit, sign, target, note):
        met = None
        if target is not None:
            met = value is not None and bool(value >= target if sign == "≥" else value <= target)
        self.table.append({"line": line, "what": what, "data": data, "ours_ms": ours_ms, "peer": peer, "peer_ms": peer_ms,
                           "value": value, "unit": unit, "sign": sign, "target": target, "met": met, "note": note})


def number(value):
    """A number as a person reads it: three digits, or all before the point."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def with_unit(value, unit, form):
    if value is None:
        return "–"
    return form(value) + (unit if unit == "×" else f" {unit}")


HEADINGS = ["line", "what", "data", "ours ms", "peer", "peer ms", "ratio", "target", "met"]
NUMERIC = {3, 5, 6}


def cells(row):
    small = row["unit"] == "%"
    target = "–" if row["target"] is None else f"{row['sign']} " + with_unit(row["target"], row["unit"], "{:,g}".format)
    return [str(row["line"]), row["what"], row["data"], number(row["ours_ms"]), row["peer"] or "–", number(row["peer_ms"]),
            with_unit(row["value"], row["unit"], "{:+.3f}".format if small else number), target,
            {None: "–", True: "yes", False: "NO"}[row["met"]]]


def as_text(rows):
    lines = [HEADINGS] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    out = []
    for at, line in enumerate(lines):
        padded = [cell.rjust(w) if i in NUMERIC else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        out.append("  ".join(padded).rstrip())
        if at == 0:
            out.append("  ".join("-" * w for w in widths))
        elif rows[at - 1]["note"]:
            out.append(f"        ({rows[at - 1]['note']})")
    return "\n".join(out)
