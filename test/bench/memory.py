"""Memory of a backend and of its parallel workers while a query runs: private (RssAnon), so without shared buffers, and the dynamic
shared memory of the server (POSIX, as on Linux by default), which nobody else uses meanwhile."""
import glob
import os
import threading
import time

INTERVAL = 0.003


def status_kb(pid, field):
    """A field of /proc/PID/status in kB; 0 where the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def workers_of(leader):
    """Process ids of the parallel workers of a backend, by the titles that they give themselves."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if f"parallel worker for PID {leader}".encode() in file.read(200):
                    found.append(int(path.split("/")[2]))
        except OSError:
            continue
    return found


def shared_kb():
    total = 0
    for path in glob.glob("/dev/shm/PostgreSQL.*"):
        try:
            total += os.stat(path).st_blocks // 2
        except OSError:  # gone
            continue
    return total


class Sampler:
    """with Sampler(pid) as s: query. Then, in MB: s.before, s.leader (peak), s.process (largest peak of leader and workers), s.total
    (peak of their sum, with what the query takes of shared memory), s.with_shared (peak of leader and shared memory)."""

    def __init__(self, pid):
        self.pid = pid
        self.stop = threading.Event()
        self.peaks = {}
        self.total_kb = 0
        self.with_shared_kb = 0
        self.shared_before = shared_kb()

    def _run(self):
        workers, looked = [], 0.0
        while not self.stop.is_set():
            if time.monotonic() - looked > 0.05:
                workers, looked = workers_of(self.pid), time.monotonic()
            now = {pid: status_kb(pid, "RssAnon") for pid in [self.pid, *workers]}
            for pid, kb in now.items():
                self.peaks[pid] = max(self.peaks.get(pid, 0), kb)
            shared = max(0, shared_kb() - self.shared_before)
            self.total_kb = max(self.total_kb, sum(now.values()) + shared)
            self.with_shared_kb = max(self.with_shared_kb, now[self.pid] + shared)
            time.sleep(INTERVAL)

    def __enter__(self):
        self.before = status_kb(self.pid, "RssAnon") / 1024
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.leader = self.peaks.get(self.pid, 0) / 1024
        self.process = max(self.peaks.values(), default=0) / 1024
        self.total = self.total_kb / 1024
        self.with_shared = self.with_shared_kb / 1024


def available_bytes():
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
