// Before a queue is deleted it is looked at once more, at the freshest numbers there are. This decides, from
// what that look saw, whether the intention still holds. Pure: asking and deleting are guardian/act.cpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/fault.hpp"
#include "core/guardian/sweep_diff.hpp"

namespace cloudsat::core {

// What the look found.
enum class Presence : std::uint8_t {
    listed, // with totals
    hidden, // only a listing of names has it: its process does not answer
    absent, // both listings miss it
};

struct SecondLook {
    Presence presence = Presence::absent;
    Facts seen;    // of a listed queue, put right by whatever is fresher
    Facts before;  // as known when the intention was written
    Limits limits; // in force now
    Owner owner = Owner::none;
    bool watched = true; // its virtual host is
    bool enforce = false;
    bool belayed = false;
    bool archives = true;         // its guard looks; false: poll(), which does not archive
    bool archive_resumes = false; // its archive was full when the intention was written, and has room again
    Micros delay = 0;             // that it must not be deleted yet
    Micros age = 0;               // of the intention
};

enum class Resolve : std::uint8_t { proceed, withdraw, gone };

struct Resolution {
    Resolve resolve = Resolve::withdraw;
    std::string_view reason; // of a withdrawal: half a sentence that lives for ever
};

constexpr Micros oldest_intention = 3600 * micros_per_second;

// The whole decision, and the part of it that needs no look: withdraw or proceed, by what was decided since.
Resolution resolve(const SecondLook& look) noexcept;
Resolution resolve_unseen(const SecondLook& look) noexcept;

// Somebody consumes from it who did not when the intention was written: it may be about to drain. Where no
// listing told the consumers, messages that were held then are a sign of one.
bool is_newly_consumed(const SecondLook& look) noexcept;

// What came of a request to delete.
enum class Outcome : std::uint8_t {
    deleted,
    failed,  // the broker said no
    unknown, // no answer, or "not found", which a queue on a dead node answers too: the next listings will
             // tell
    unsent,  // the broker was not reached
};

// From the kind of fault that the DELETE ended with.
Outcome outcome_of(FaultKind kind) noexcept;

// So often the outcome may stay unknown while the queue is still there.
constexpr int most_attempts = 5;

} // namespace cloudsat::core
