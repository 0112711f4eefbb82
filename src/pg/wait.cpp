// The one wait, see wait.hpp.

#include "pg/wait.hpp"

extern "C" {
#include "storage/latch.h"

// As libpq/libpq.h declares it, which cannot be included without the headers of GSSAPI
extern bool pq_check_connection(void);
}

namespace cloudsat::pg {

Woken wait(int descriptor, long milliseconds, uint32 event) {
    int wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
    if (descriptor >= 0) {
        wanted |= WL_SOCKET_READABLE;
    }
    if (milliseconds >= 0) {
        wanted |= WL_TIMEOUT;
    }
    int came = WaitLatchOrSocket(MyLatch, wanted, descriptor >= 0 ? descriptor : PGINVALID_SOCKET,
                                 milliseconds, event);
    if ((came & WL_LATCH_SET) != 0) {
        ResetLatch(MyLatch);
    }
    CHECK_FOR_INTERRUPTS();
    if ((came & WL_SOCKET_READABLE) != 0) {
        return Woken::ready;
    }
    return (came & WL_LATCH_SET) != 0 ? Woken::latch : Woken::timeout;
}

void check_client() {
    if (MyProcPort != nullptr && !pq_check_connection()) {
        ClientConnectionLost = true; // as the server's own check does
        InterruptPending = true;
        CHECK_FOR_INTERRUPTS();
    }
}

} // namespace cloudsat::pg
