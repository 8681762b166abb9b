#!/usr/bin/env bash
# From a fresh machine to customer segments: installs what is missing, builds and installs the extension, and shows it on
# made-up customers in a throwaway server. The SQL is in demo.sql.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

setup_packages demo
echo "Building for PostgreSQL $PG_MAJOR ..."
build_extension || die "the extension could not be built and installed"
# The server's own messages go to the log; psql's reach the terminal past it, errors in their place among the results.
exec 3>&1
logged demo.log with_server bash -c 'psql -X -q --set=ON_ERROR_STOP=1 <scripts/demo.sql >&3 2>&1' ||
    die "the demo failed"
echo "The throwaway server is gone; the extension stays installed in PostgreSQL $PG_MAJOR: CREATE EXTENSION segmentation;"
