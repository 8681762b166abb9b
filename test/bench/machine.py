"""What the results were taken on."""
import datetime
import os
import platform
import subprocess


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except OSError:
        return ""


def cpu():
    with open("/proc/cpuinfo") as file:
        lines = [line.split(":", 1) for line in file if ":" in line]
    info = {key.strip(): value.strip() for key, value in lines}
    flags = info.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags), "")
    model = info.get("model name", platform.machine())
    return f"{model} (family {info.get('cpu family', '?')}, model {info.get('model', '?')}, {widest})"


def memory_gb():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def version_of(module):
    try:
        return __import__(module).__version__
    except Exception:  # not installed, or broken: said as such
        return "not installed"


def blas():
    try:
        import sklearn.cluster  # noqa: F401  (loads them)
        from threadpoolctl import threadpool_info
        return ", ".join(f"{i['internal_api']} {i['version'] or ''} {i.get('architecture', '')}".strip() for i in threadpool_info())
    except ImportError:
        return "unknown"


def describe(session):
    """An ordered dict of texts."""
    r = output("Rscript", "-e", "cat(R.version.string)")
    load = os.getloadavg()[0]
    postgis = session.rows("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'")
    return {
        "date": datetime.date.today().isoformat(),
        "commit": os.environ.get("BENCH_COMMIT") or (output("git", "-c", "safe.directory=*", "rev-parse", "--short", "HEAD") or "unknown")
        + (" and changes" if output("git", "-c", "safe.directory=*", "status", "--porcelain", "--untracked-files=no") else ""),
        "processor": cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_gb():.0f} GB",
        "kernel": platform.release(),
        "system": next((line.split("=", 1)[1].strip().strip('"') for line in open("/etc/os-release") if line.startswith("PRETTY_NAME")), ""),
        "load at the start": f"{load:.2f}",
        "compiler": output("g++", "--version").split("\n")[0],
        "PostgreSQL": session.one("SHOW server_version"),
        "Python": platform.python_version(),
        "numpy": version_of("numpy"),
        "BLAS and OpenMP": blas(),
        "scikit-learn": version_of("sklearn"),
        "FAISS": version_of("faiss"),
        "psycopg2": version_of("psycopg2"),
        "PostGIS": postgis[0][0] if postgis else "not installed",
        "R": r or "not installed",
    }


SETTINGS = ["shared_buffers", "work_mem", "hash_mem_multiplier", "jit", "max_parallel_workers", "max_parallel_workers_per_gather",
            "max_worker_processes", "max_wal_size", "effective_cache_size", "autovacuum", "fsync", "synchronous_commit"]


def settings(session):
    return {name: session.one(f"SHOW {name}") for name in SETTINGS}
