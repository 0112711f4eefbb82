// A broker as the guardian needs it: the options of its foreign server, and whom to be there. The validator
// of those options is here too (SQL function _cloudsat.rabbitmq_validator).
#pragma once

#include <string_view>

#include "core/guardian/server_options.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::guardian {

// Plain; all texts live in the context that load_server was given.
struct Server {
    Oid oid = InvalidOid;
    const char* name = "";
    core::ServerOptions options;
    core::MappingOptions mapping;
    std::string_view password;  // from the mapping, or read from its password_file
    std::uint64_t revision = 0; // of the server and its mapping: another one when either was altered
    bool held_back = false;     // `enforce` is on, but is to be confirmed for this database: off until then
    std::string_view why_not = "enforce is off"; // nothing is deleted, when it is not enforced
};

// The server's oid. 42704 when there is no such server, 42809 when it is no broker.
Oid find_server(std::string_view name);

// Reads the options of the server alone: for what asks the broker nothing. The mapping stays empty.
const Server* load_options(Oid server, MemoryContext context);

// Reads the options of the server, and the user mapping of its owner or else of PUBLIC. Needs a transaction;
// raises when what is needed is missing or wrong, with a hint.
const Server* load_server(Oid server, MemoryContext context);

// Does the text match the pattern? Both UTF-8; a pattern that does not compile raises. Needs no transaction:
// patterns are compared by code point, without regard to any locale.
bool matches(std::string_view text, std::string_view pattern);

// Whether the server watches a virtual host of its broker, by its option `vhosts`.
bool watches(const Server& server, std::string_view vhost);

// Only one cycle at a time may be under way with a server. The lock belongs to the session until
// unlock_server, or, when `transactional`, to the transaction.
enum class LockKind { session, transaction };
bool try_lock_server(Oid server, LockKind kind);
void lock_server(Oid server, LockKind kind); // waits; can be cancelled
void unlock_server(Oid server);              // a session's

} // namespace cloudsat::guardian
