// The server's headers that nearly every file needs. Include all std headers before it, and use no
// std::printf functions after it: the server's port.h turns those names into macros.
#pragma once

extern "C" {
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

// Libintl's macros would otherwise affect names of the C++ library.
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext
