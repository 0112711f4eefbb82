// Presence of the extension, see presence.hpp.

#include "pg/presence.hpp"

extern "C" {
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
}

namespace cloudsat::pg {

Presence hold_presence() {
    Oid extension = get_extension_oid("cloudsat", true);
    if (!OidIsValid(extension)) {
        return Presence::absent;
    }
    // The lock that DROP EXTENSION also takes. Check again after it: a drop may have committed in between.
    if (!ConditionalLockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock)) {
        return Presence::busy;
    }
    return get_extension_oid("cloudsat", true) == extension ? Presence::present : Presence::absent;
}

} // namespace cloudsat::pg
