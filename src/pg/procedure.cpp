// Procedures that end transactions, see procedure.hpp.

#include "pg/procedure.hpp"

extern "C" {
#include "executor/spi.h"
#include "nodes/parsenodes.h"
}

namespace cloudsat::pg {
namespace {

void require_no_transaction(FunctionCallInfo fcinfo, const char* name) {
    const auto* call = reinterpret_cast<const CallContext*>(fcinfo->context);
    if (call != nullptr && IsA(call, CallContext) && !call->atomic) {
        return;
    }
    const bool in_block = IsTransactionBlock(); // also in a subtransaction
    ereport(
        ERROR, errcode(in_block ? ERRCODE_ACTIVE_SQL_TRANSACTION : ERRCODE_INVALID_TRANSACTION_TERMINATION),
        IsSubTransaction() ? errmsg("%s cannot run inside a subtransaction", name)
        : in_block         ? errmsg("%s cannot run inside a transaction block", name)
                           : errmsg("%s cannot run inside a function", name),
        errdetail("It ends the transaction, so that the session holds no snapshot and no lock meanwhile."),
        errhint("Send CALL %s as a statement of its own, in autocommit mode.", name));
}

} // namespace

void procedure_begin(FunctionCallInfo fcinfo, const char* name) {
    require_no_transaction(fcinfo, name);
    if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT) {
        elog(ERROR, "could not connect to SPI");
    }
}

void procedure_commit() {
    SPI_commit();
}

void procedure_end() {
    if (SPI_finish() != SPI_OK_FINISH) {
        elog(ERROR, "could not disconnect from SPI");
    }
}

} // namespace cloudsat::pg
