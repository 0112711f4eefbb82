// A broker as the guardian needs it: the options of its foreign server and the credentials. Also the
// validator of those options (SQL function _cloudsat.rabbitmq_validator).
#pragma once

#include <string_view>

#include "core/guardian/server_options.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::guardian {

// Plain data; all texts live in the context passed to load_server.
struct Server {
    Oid oid = InvalidOid;
    const char* name = "";
    core::ServerOptions options;
    core::MappingOptions mapping;
    std::string_view password;  // from the mapping, or read from its password_file
    std::uint64_t revision = 0; // of the server and its mapping: changes when either is altered
    bool held_back = false;     // `enforce` is on but needs confirmation in this database: off until then
    std::string_view why_not = "enforce is off"; // reason for deleting nothing while limits are not enforced
};

// The server's oid. 42704 if the server does not exist, 42809 if it is not a broker.
Oid find_server(std::string_view name);

// Reads only the options of the server, for uses without requests to the broker. The mapping stays empty.
const Server* load_options(Oid server, MemoryContext context);

// Reads the options of the server and the user mapping of its owner, or else of PUBLIC. Needs a transaction;
// raises an error with a hint if something is missing or invalid.
const Server* load_server(Oid server, MemoryContext context);

// Whether the text matches the pattern. Both are UTF-8; raises if the pattern does not compile. Needs no
// transaction: patterns are compared by code point, independent of any locale.
bool matches(std::string_view text, std::string_view pattern);

// Whether the option `vhosts` of the server includes this virtual host.
bool watches(const Server& server, std::string_view vhost);

// Allows only one cycle of a server at a time. The lock belongs to the session until unlock_server, or to the
// transaction, by kind.
enum class LockKind { session, transaction };
bool try_lock_server(Oid server, LockKind kind);
void lock_server(Oid server, LockKind kind); // waits; can be cancelled
void unlock_server(Oid server);              // for a session's lock

} // namespace cloudsat::guardian
