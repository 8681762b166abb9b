#!/usr/bin/env bash
# Measures the extension beside its peers: installs what is missing, builds, starts a throwaway server with the settings below,
# makes the data, runs ours and theirs in turn, prints tables with ratios and writes build/bench/results.json, docs/performance.md
# and its pictures. About an hour on two cores; they should have nothing else to do.
#
#   bash scripts/bench.sh                 all lines, five runs each
#   bash scripts/bench.sh --lines 2,7     some lines; the other results in build/bench/results.json stay
#   bash scripts/bench.sh --grid          line 1 over the whole grid, up to 10,000,000 rows: an hour more
#   bash scripts/bench.sh --quick         two minutes: that all of it runs. Goes to build/bench/quick, not to docs
#   bash scripts/bench.sh --report        no measuring: only docs/performance.md from build/bench/results.json
#   --runs N, --rows N                    other than 5, and other than 1,000,000 (and ten times that)
#   --budget SECONDS                      a contender of one comparison stops there: slow peers get fewer runs
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/setup.sh

OUTPUT=build/bench
DOCUMENT=docs/performance.md
[[ " $* " != *" --quick "* ]] || OUTPUT=build/bench/quick DOCUMENT=build/bench/quick/performance.md

# The peers, as Debian has them. One that cannot be installed is reported in the table and is not fatal. OpenBLAS: FAISS and
# scikit-learn would be several times slower with the reference BLAS.
install_peers() {
    local package missing=()
    for package in python3-numpy python3-sklearn python3-psycopg2 python3-matplotlib libopenblas0-pthread python3-faiss r-base-core \
        "postgresql-$PG_MAJOR-postgis-3" libbenchmark-dev; do
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
    done
    [ ${#missing[@]} != 0 ] || return 0
    echo "Installing peers: ${missing[*]} ..."
    logged apt-update.log as_root apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 update || true
    for package in "${missing[@]}"; do
        logged "apt-$package.log" install_packages "$package" 2>/dev/null || echo "NOT INSTALLED: $package (see $LOG_DIR/apt-$package.log)"
    done
}

build_core() {
    logged bench-core.log cmake --preset default && logged bench-core.log cmake --build --preset default -j "$JOBS" --target core_grid
}

# with_bench_server COMMAND...: as with_server of setup.sh, with settings of its own, all of them printed by the run.
with_bench_server() {
    local quarter_mb buffers setting options=()
    quarter_mb=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 4096))
    buffers=$((quarter_mb < 6144 ? quarter_mb : 6144)) # ten million rows of eight columns (1 GB) stay in it, twice
    for setting in "shared_buffers=${buffers}MB" "effective_cache_size=$((3 * quarter_mb))MB" work_mem=64MB hash_mem_multiplier=2.0 \
        maintenance_work_mem=256MB jit=off max_worker_processes=8 max_parallel_workers=8 max_parallel_workers_per_gather=2 \
        max_wal_size=8GB checkpoint_timeout=1h autovacuum=off fsync=off synchronous_commit=off \
        log_min_error_statement=panic; do
        options+=(-o "$setting")
    done
    pg_virtualenv -t -v "$PG_MAJOR" -o 'listen_addresses=127.0.0.1, ::1' "${options[@]}" env PGHOST=127.0.0.1 "$@"
}

report() {
    python3 test/bench/report.py "$OUTPUT/results.json" "$DOCUMENT" || die "no report"
}

if [ "${1:-}" = --report ]; then
    report
    exit
fi
setup_packages test
install_peers
mkdir -p $OUTPUT
echo "Building for PostgreSQL $PG_MAJOR ..."
build_extension || die "the extension could not be built and installed"
build_core || echo "the core could not be built: lines 1 and 10 will fail"
# Threads of OpenMP that wait for work by spinning take the core from those of OpenBLAS: FAISS with two threads on two cores was
# thirty times slower that way, scikit-learn on a machine that does anything else five times.
export OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
with_bench_server python3 test/bench/run.py --output "$PWD/$OUTPUT" --core "$PWD/build/default/core_grid" "$@" ||
    die "the run ended early"
report
