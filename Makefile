# Builds and installs the extension with PGXS; `make installcheck` runs the regression suite against a running server.

EXTENSION = segmentation
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" segmentation.control)
MODULE_big = segmentation

OBJS = $(patsubst %.cc,%.o,$(sort $(wildcard src/core/*.cc src/pg/*.cc)))
DATA_built = src/sql/$(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard src/sql/updates/*.sql)
REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --load-extension=$(EXTENSION)

PG_CPPFLAGS = -Isrc -isystem $(or $(EIGEN_INCLUDE),/usr/include/eigen3)
# No -ffast-math and no -march: the same bits on every machine (docs/decisions.md). PostgreSQL's own -O2 comes first.
# -Wno-maybe-uninitialized: GCC 12 raises it falsely for std::variant. -Wno-register: headers of PostgreSQL before 16.
PG_CXXFLAGS = -std=c++20 -O3 -ffp-contract=off -fno-fast-math -fvisibility=hidden -fvisibility-inlines-hidden \
	-Wall -Wextra -Wno-unused-parameter -Wno-register -Wno-maybe-uninitialized -Wno-missing-field-initializers \
	-Wno-clobbered -Wno-sign-compare -Werror
SHLIB_LINK = -lstdc++ -Wl,--version-script=src/pg/exports.map
EXTRA_CLEAN = $(DATA_built)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
# Bitcode for the server's JIT would be compiled without PG_CXXFLAGS.
override with_llvm = no
include $(PGXS)

$(DATA_built): $(sort $(wildcard src/sql/*_*.sql)) segmentation.control
	cat $(filter %.sql,$^) > $@

# Headers are few and shared: any change rebuilds.
$(OBJS): $(wildcard src/core/*.h src/pg/*.h) Makefile
