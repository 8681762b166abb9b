# Shared by demo.sh and test.sh, which source it: installs the packages that are missing, builds and installs the extension,
# and runs commands beside a throwaway server. Needs a Debian or Ubuntu machine; a complete one is left as it is.
#
# PG_MAJOR=17 in the environment asks for that PostgreSQL; otherwise it is the newest one installed, and where there is none
# the distribution's own.

export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
# What Debian's packages bring, a python3 with their modules above all, comes before others that the caller may have.
export PATH=/usr/bin:$PATH
# Nothing of the caller's server or of the caller's make may leak in.
unset LANGUAGE PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PGOPTIONS PGDATA MAKEFLAGS MFLAGS MAKELEVEL

LOG_DIR=build/log
JOBS=$(nproc)

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo --preserve-env=DEBIAN_FRONTEND,LC_ALL "$@"
    else
        echo "this needs root, and there is no sudo: $*" >&2
        return 1
    fi
}

# logged LOG COMMAND...: runs a command with its output in a file; the end of it is shown when the command fails.
logged() {
    local log=$LOG_DIR/$1 status
    shift
    "$@" >"$log" 2>&1 && return
    status=$?
    {
        echo "failed with status $status: $*"
        echo "---- the last lines of $log"
        tail -n 80 "$log"
        echo "----"
    } >&2
    return $status
}

# Servers are found, and stopped, by way of /proc, which a bare chroot has not mounted: it is, as long as the script runs.
need_proc() {
    [ -e /proc/self/stat ] && return
    as_root mount -t proc proc /proc || die "/proc has to be mounted"
    proc_is_ours=yes
}

release_proc() {
    [ -z "${proc_is_ours:-}" ] || as_root umount /proc
}
trap release_proc EXIT

# ---- packages ------------------------------------------------------------------------------------------------------

# Prints "PACKAGE: a shell test that holds where it is not needed", one to a line. $1 is demo or test.
wanted_packages() {
    cat <<'LIST'
make: command -v make
g++: command -v g++
libeigen3-dev: test -e /usr/include/eigen3/Eigen/Core
nlohmann-json3-dev: test -e /usr/include/nlohmann/json.hpp
postgresql-common: command -v pg_virtualenv
LIST
    [ "$1" = test ] && cat <<'LIST'
cmake: command -v cmake
libgtest-dev: test -e /usr/include/gtest/gtest.h
libbenchmark-dev: test -e /usr/include/benchmark/benchmark.h
perl: command -v prove
python3-sklearn: python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec("sklearn") is None)'
python3-psycopg2: python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec("psycopg2") is None)'
r-base-core: command -v Rscript
r-cran-cluster: Rscript -e 'quit(status = !nzchar(system.file(package = "cluster")))'
r-cran-rpostgresql: Rscript -e 'quit(status = !nzchar(system.file(package = "RPostgreSQL")))'
nodejs: command -v node
node-pg: command -v npm || test -e /usr/share/nodejs/pg
LIST
    return 0
}

missing_packages() {
    local package probe
    wanted_packages "$1" | while IFS=: read -r package probe; do
        bash -c "$probe" </dev/null >/dev/null 2>&1 || echo "$package"
    done
}

# Majors with a server (and, with the argument dev, also with what an extension is built with), newest first.
postgres_majors() {
    local bin
    for bin in /usr/lib/postgresql/*/bin; do
        [ -x "$bin/postgres" ] || continue
        if [ "${1:-}" = dev ]; then
            [ -x "$bin/pg_config" ] && [ -e "$("$bin/pg_config" --pgxs)" ] &&
                [ -e "$("$bin/pg_config" --includedir-server)/postgres.h" ] || continue
        fi
        basename "$(dirname "$bin")"
    done | sort -rn
}

lacks_cron() {  # whether pg_cron is to be installed: schedules are tested where the distribution has it
    [ "$1" = test ] && [ ! -e "/usr/share/postgresql/$PG_MAJOR/extension/pg_cron.control" ] && apt-cache show "postgresql-$PG_MAJOR-cron" >/dev/null 2>&1
}

# Debian's package creates and starts a server of its own when it is installed: not for the sake of a demo or a test.
install_packages() {
    local no_main=/etc/postgresql-common/createcluster.d/no-main-cluster-for-segmentation.conf status=0
    as_root mkdir -p "$(dirname $no_main)"
    echo 'create_main_cluster = false' | as_root tee $no_main >/dev/null
    as_root apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
        --no-install-recommends install "$@" || status=$?
    as_root rm -f $no_main
    return $status
}

# setup_packages demo|test: installs what is missing and sets PG_MAJOR and PG_CONFIG.
setup_packages() {
    local missing server
    mkdir -p $LOG_DIR
    need_proc
    missing=$(missing_packages "$1")
    if [ -z "${PG_MAJOR:-}" ]; then
        PG_MAJOR=$(postgres_majors dev | head -n 1)
        server=$(postgres_majors | head -n 1)
    fi
    if [ -n "$PG_MAJOR" ] && [ -z "$missing" ] && lacks_cron "$1"; then
        missing=postgresql-$PG_MAJOR-cron
    fi
    if [ -n "$missing" ] || ! postgres_majors dev | grep -qx "$PG_MAJOR"; then
        command -v apt-get >/dev/null ||
            die "no apt-get here; wanted are PostgreSQL 14 or later with its server development files, and: ${missing//$'\n'/ }"
        echo "Installing packages (a few minutes, the first time only) ..."
        logged apt-update.log as_root apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 update ||
            die "the package lists could not be fetched"
        if [ -z "$PG_MAJOR" ]; then
            # What the metapackage stands for, without installing that.
            PG_MAJOR=${server:-$(apt-cache show --no-all-versions postgresql | sed -n 's/^Depends:.*postgresql-\([0-9][0-9]*\).*/\1/p')}
            [ -n "$PG_MAJOR" ] || die "apt knows no package postgresql"
        fi
        if ! postgres_majors dev | grep -qx "$PG_MAJOR"; then
            missing="$missing postgresql-$PG_MAJOR postgresql-server-dev-$PG_MAJOR"
        fi
        if lacks_cron "$1"; then
            case $missing in *-cron*) ;; *) missing="$missing postgresql-$PG_MAJOR-cron" ;; esac
        fi
        # shellcheck disable=SC2086  # a list
        logged apt-install.log install_packages $missing || die "the packages could not be installed"
    fi
    [ "$PG_MAJOR" -ge 14 ] || die "PostgreSQL $PG_MAJOR is too old: 14 or later is needed"
    PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
    export PG_MAJOR PG_CONFIG
}

# node-postgres, for the test of drivers: Debian's, or where there is npm, whose Node.js Debian's does not go with, the registry's.
setup_node_postgres() {
    [ -e /usr/share/nodejs/pg ] || [ -e build/node/node_modules/pg ] && return
    mkdir -p build/node
    logged npm-install.log npm install --prefix build/node --no-audit --no-fund pg@8 || die "node-postgres could not be installed"
}

# ---- the extension -------------------------------------------------------------------------------------------------

# Builds the extension for that PostgreSQL and installs it into it.
build_extension() {
    local for_what
    for_what="$("$PG_CONFIG" --version), $(g++ --version | head -n 1)"
    # Objects of another PostgreSQL or compiler look up to date to make, and are not.
    if [ "$(cat build/built-for 2>/dev/null)" != "$for_what" ]; then
        logged build.log make PG_CONFIG="$PG_CONFIG" clean || return
    fi
    echo "$for_what" >build/built-for
    logged build.log make -j "$JOBS" PG_CONFIG="$PG_CONFIG" || return
    logged install.log as_root make PG_CONFIG="$PG_CONFIG" install
}

# ---- a throwaway server --------------------------------------------------------------------------------------------

# with_server COMMAND...: runs a command with PGHOST, PGPORT, PGUSER and PGPASSWORD of a server that lives as long as it. By
# address: a bare chroot cannot resolve localhost. (A single IPv4 address would reach postgresql.conf without its quotes.)
with_server() {
    pg_virtualenv -t -v "$PG_MAJOR" -o 'listen_addresses=127.0.0.1, ::1' env PGHOST=127.0.0.1 "$@"
}
