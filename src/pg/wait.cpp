// The one wait function, see wait.hpp.

#include "pg/wait.hpp"

// Port, needed for its socket, has members with types of other libraries. These definitions make the header
// use plain pointers instead, so those libraries' headers are not needed.
#undef ENABLE_GSS
#undef USE_OPENSSL
extern "C" {
#include "libpq/libpq-be.h"
#include "storage/latch.h"
}

namespace cloudsat::pg {
namespace {

// The server itself notices that a client has gone only when it writes to it, or if
// client_connection_check_interval is set. Not every system can detect it.
bool has_client_that_may_go() {
    return MyProcPort != nullptr && MyProcPort->sock != PGINVALID_SOCKET && WaitEventSetCanReportClosed();
}

// The outcome of WL_SOCKET_READABLE, WL_SOCKET_CLOSED and WL_LATCH_SET.
int wait_for(int wanted, pgsocket socket, long milliseconds, uint32 event) {
    wanted |= WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
    if (milliseconds >= 0) {
        wanted |= WL_TIMEOUT;
    }
    const int came = WaitLatchOrSocket(MyLatch, wanted, socket, milliseconds, event);
    if ((came & WL_LATCH_SET) != 0) {
        ResetLatch(MyLatch);
    }
    CHECK_FOR_INTERRUPTS();
    return came;
}

} // namespace

Woken wait(int descriptor, long milliseconds, uint32 event) {
    const int came = descriptor >= 0 ? wait_for(WL_SOCKET_READABLE, descriptor, milliseconds, event)
                                     : wait_for(0, PGINVALID_SOCKET, milliseconds, event);
    if ((came & WL_SOCKET_READABLE) != 0) {
        return Woken::ready;
    }
    return (came & WL_LATCH_SET) != 0 ? Woken::latch : Woken::timeout;
}

Woken wait_for_client(long milliseconds, uint32 event) {
    if (!has_client_that_may_go()) {
        return wait(-1, milliseconds, event);
    }
    const int came = wait_for(WL_SOCKET_CLOSED, MyProcPort->sock, milliseconds, event);
    if ((came & WL_SOCKET_CLOSED) != 0) {
        ereport(FATAL, errcode(ERRCODE_CONNECTION_FAILURE), errmsg("connection to client lost"));
    }
    return (came & WL_LATCH_SET) != 0 ? Woken::latch : Woken::timeout;
}

} // namespace cloudsat::pg
