// The second look at a queue before its deletion, at the latest numbers: decides whether the intention still
// holds. Pure: guardian/act.cpp asks the broker and deletes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/fault.hpp"
#include "core/guardian/sweep_diff.hpp"

namespace cloudsat::core {

// Result of the look.
enum class Presence : std::uint8_t {
    listed, // with totals
    hidden, // only in a listing of names: its process does not answer
    absent, // in neither listing
};

struct SecondLook {
    Presence presence = Presence::absent;
    Facts seen;    // of a listed queue, corrected by more recent sources
    Facts before;  // as known when the intention was written
    Limits limits; // in force now
    Owner owner = Owner::none;
    bool watched = true; // its virtual host is watched
    bool enforce = false;
    bool belayed = false;
    bool archives = true;         // its guard looks; false for poll(), which does not archive
    bool archive_resumes = false; // its archive was full when the intention was written, and has room again
    Micros delay = 0;             // remaining time before it may be deleted
    Micros age = 0;               // of the intention
};

enum class Resolve : std::uint8_t { proceed, withdraw, gone };

struct Resolution {
    Resolve resolve = Resolve::withdraw;
    std::string_view reason; // of a withdrawal: a clause with static lifetime
};

constexpr Micros oldest_intention = 3600 * micros_per_second;

// The decision without the new numbers: withdraw or proceed, by what was decided since the intention.
Resolution resolve(const SecondLook& look) noexcept;
Resolution resolve_unseen(const SecondLook& look) noexcept;

// The queue has a new consumer since the intention was written, so it may be about to drain. If no listing
// reported consumers, messages held at that time count as a sign of one.
bool is_newly_consumed(const SecondLook& look) noexcept;

// Outcome of a request to delete.
enum class Outcome : std::uint8_t {
    deleted,
    failed,  // the broker rejected it
    unknown, // no answer, or "not found", which is also the answer for a queue on a dead node: the next
             // listings will tell
    unsent,  // the broker was not reached
};

// From the kind of fault that ended the DELETE.
Outcome outcome_of(FaultKind kind) noexcept;

// Maximum number of attempts with unknown outcome while the queue still exists.
constexpr int most_attempts = 5;

} // namespace cloudsat::core
