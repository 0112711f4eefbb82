# cloudsat: build, install and check with PGXS. `make test`, `make demo` and `make bench` are in test/test.mk: they
# bring what they need themselves, so this file must be readable by make before pg_config exists.

EXTENSION   = cloudsat
MODULE_big  = cloudsat
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" cloudsat.control)

# one list of sources, read by CMakeLists.txt too
SOURCES := $(shell grep -v '^\#' src/sources.list)
OBJS     = $(SOURCES:.cpp=.o)

# the install script, in the order in which things come to be: types, board, guardian, workers, rights
SQL_PARTS = \
	src/pg/schema.sql \
	src/board/address.sql \
	src/board/disposition.sql \
	src/board/uuid.sql \
	src/board/message.sql \
	src/board/enlistment.sql \
	src/board/board_clock.sql \
	src/board/registration.sql \
	src/board/stream.sql \
	src/board/thread.sql \
	src/board/task.sql \
	src/board/doorbell.sql \
	src/board/claim.sql \
	src/board/partition.sql \
	src/board/cleanup.sql \
	src/board/monitor.sql \
	src/guardian/server.sql \
	src/guardian/queue.sql \
	src/guardian/event.sql \
	src/guardian/policy.sql \
	src/guardian/account.sql \
	src/guardian/poll.sql \
	src/guardian/enforcement.sql \
	src/guardian/archive.sql \
	src/guardian/outbox.sql \
	src/guardian/explain.sql \
	src/worker/status.sql \
	src/worker/start.sql \
	src/pg/rights.sql \
	src/board/grants.sql \
	src/guardian/grants.sql \
	src/worker/grants.sql

DATA_built = $(EXTENSION)--$(EXTVERSION).sql
DATA       = $(wildcard src/upgrade/$(EXTENSION)--*--*.sql)
DOCS       = $(wildcard doc/*.md)

REGRESS      = $(patsubst sql/%.sql,%,$(wildcard sql/*.sql))
# whatever the locale and the encoding of the cluster that installcheck meets
REGRESS_OPTS = --inputdir=. --encoding=UTF8 --no-locale --load-extension=cloudsat

ISOLATION      = $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec))
ISOLATION_OPTS = --inputdir=test/isolation --encoding=UTF8 --no-locale

# Three for the server's macros: HOLD_INTERRUPTS counts in a volatile, which C++20 frowns upon; statement expressions
# and compound literals are what clang calls extensions.
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-deprecated-volatile -Wno-gnu-statement-expression -Wno-c99-extensions \
	$(if $(WERROR),-Werror)

# There may be a pg_config without the server's headers: Debian's libpq-dev brings one.
PG_CONFIG ?= pg_config
PGXS           := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
SERVER_HEADERS := $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)
ifneq (,$(and $(wildcard $(PGXS)),$(wildcard $(SERVER_HEADERS)/postgres.h)))
# -isystem: warnings are for our code, not for the server's headers (clang does not even accept them otherwise).
# The clobber check watches the one place where a jump buffer and C++ meet, src/pg/boundary.cpp.
PG_CPPFLAGS = -isystem $(SERVER_HEADERS) -Isrc -MMD -MP -DCLOUDSAT_VERSION=\"$(EXTVERSION)\"
PG_CXXFLAGS = -std=c++20 $(WARNINGS) $(if $(findstring clang,$(CXX)),,-Wclobbered)
# PGXS links with the C compiler, which does not bring the C++ runtime along
SHLIB_LINK    = -lcurl -lsimdjson -lstdc++
SHLIB_EXPORTS = src/exports.txt
# No bitcode: PGXS compiles it without our flags, and a function that catches exceptions is not inlined by JIT anyway.
override with_llvm = no

EXTRA_CLEAN = $(SOURCES:.cpp=.d) src/exports.list $(DATA_built)

include $(PGXS)

# A folder of our own among the documentation of the server and its extensions; PGXS leaves it behind.
docmoduledir := extension/$(EXTENSION)
uninstall: uninstall-docs
uninstall-docs:
	rm -f $(addprefix '$(DESTDIR)$(docdir)/$(docmoduledir)'/, $(notdir $(DOCS)))
	rmdir '$(DESTDIR)$(docdir)/$(docmoduledir)' 2>/dev/null || true
.PHONY: uninstall-docs

$(DATA_built): $(SQL_PARTS) cloudsat.control Makefile
	cat $(SQL_PARTS) > $@

-include $(SOURCES:.cpp=.d)
else
ifeq (,$(SERVER_HEADERS))
MISSING = $(PG_CONFIG) not found
else
MISSING = $(if $(wildcard $(SERVER_HEADERS)/postgres.h),$(PGXS) is not there,$(SERVER_HEADERS) has no headers of the server)
endif
all install installcheck uninstall clean:
	@echo "cloudsat: $(MISSING): install postgresql-server-dev-NN, or give PG_CONFIG=/path/to/pg_config" >&2; exit 1
.PHONY: all install installcheck uninstall clean
endif

-include test/test.mk
