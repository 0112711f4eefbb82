// The judge: derives the next state of a queue from the state after the last poll and from the present
// sample. Pure and stateless; time and limits are arguments. It decides, and never acts.
//
//   normal --warn_size on two polls--> warned --delete_size on two polls--> intended --(act)--> deleted
//      ^------ 0.8 of warn_size or less ------'
//
// If archive_size is set, archiving lies between warned and deleted: --archive_size on two polls-->
// archiving. It ends at 0.8 of archive_size or less, or when the archive is full. A queue is not deleted
// while the archive has room for it, unless archiving has failed for good. Archiving resumes when a full
// archive has room again.
//
// A queue on hold is warned about and recovers like any other, but is neither archived nor deleted. The hold
// ends with the incident.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// Microseconds since any fixed time; only differences matter here.
using Micros = std::int64_t;
constexpr Micros micros_per_second = 1'000'000;

// How overgrown a queue is, in the order of the SQL type cloudsat.level.
enum class Level : std::uint8_t { normal, warned, archiving, deleted };
std::string_view to_string(Level level) noexcept;
std::optional<Level> parse_level(std::string_view text) noexcept;

// The number that is compared with the limits.
enum class Basis : std::uint8_t { total, ready };

// Whether there is an owner to warn. A person is an address with a local part.
enum class Owner : std::uint8_t { none, person, reserved };

// Whether the numbers of a queue are reliable: in states other than running, idle, flow and live, counts are
// frozen or zero. Unknown if the listing has no states.
enum class Liveness : std::uint8_t { unknown, live, dead };
Liveness liveness_of(std::string_view state) noexcept;

struct Limits {
    std::int64_t warn_size = 2000;
    std::int64_t delete_size = 8000;
    bool unbounded = false; // the owner is warned, but the queue is never deleted
    bool exempt = false;    // ignored by the guardian
    Basis basis = Basis::total;
    std::optional<std::int64_t> archive_size = {};     // absent: no archiving
    std::optional<std::int64_t> max_archive_size = {}; // maximum in the archive; absent: no maximum
    Micros delete_delay = 0; // minimum time between an incident's warning and the deletion

    friend bool operator==(const Limits&, const Limits&) = default;
};

// State of archiving: not called for; in progress; stopped because the archive is full; or withheld because
// it would disturb the queue or its clients. The last two end when the queue is small again, and `full` as
// soon as there is room.
enum class Archive : std::uint8_t { none, on, full, withheld };
std::string_view to_string(Archive archive) noexcept; // empty for none
Archive parse_archive(std::string_view text) noexcept;

// State carried from one poll to the next.
struct Standing {
    Level level = Level::normal;
    Level pending = Level::normal;   // level called for by the size at the last poll, confirmed or not
    bool would_delete = false;       // announced once per incident while not enforcing
    bool belayed = false;            // an owner or admin has put it on hold
    bool intended = false;           // an intention to delete is open; acting decides, not the judge
    Archive archive = Archive::none; // the judge begins and ends it; archiving finds it full, withholds it,
                                     // or ends it when the queue is small again
    int archive_failures = 0;        // failed attempts in a row while it is on
    Micros delay_from = 0;           // start of delete_delay; 0 if not started. The warning, or, without
                                     // an owner to warn, the first size above delete_size; later if
                                     // deletion was impossible then
    Micros acted_at = 0;             // time of the last request that changed the queue; 0 if never
    Micros retry_after = 0;          // earliest time of the next intention; 0 for at once

    friend bool operator==(const Standing&, const Standing&) = default;
};

struct Sample {
    std::optional<std::int64_t> messages; // absent if unknown, never 0
    std::optional<std::int64_t> ready;
    Liveness liveness = Liveness::unknown;
    bool stream = false;                       // counts of a stream do not tell what is unread
    std::optional<std::int64_t> archived = {}; // its messages in the archive; absent if not counted
};

struct Circumstances {
    Micros now = 0;
    Micros up_since = 0;    // when the broker became reachable again; 0 if it always was
    bool enforce = false;   // if false, deletions are only announced
    bool may_delete = true; // false for a partial sweep
    bool archives = true;   // whether archiving follows this poll: false for poll()
};

// Why the guardian does not judge a queue, or does not do what its size calls for.
enum class Blocker : std::uint8_t {
    none,
    intended, // prevents judging
    exempt,
    reserved,
    no_number,
    dead_state,
    back_lately,
    acted_lately,
    no_owner,     // prevents warning
    not_enforced, // prevents archiving and deleting
    partial_sweep,
    unwatched,
    stream,
    withheld,
    full,
    uncounted,
    unbounded,
    belayed,
    archive_first,
    by_hand, // prevents deleting
    delayed,
    retry_later,
};
// A clause with static lifetime, like "enforce is off"; empty for none.
std::string_view reason_of(Blocker blocker) noexcept;

// Why a queue is ignored altogether; needs no number.
Blocker left_alone(const Limits& limits, Owner owner) noexcept;

struct Verdict {
    Standing next;
    bool warned = false;
    bool deletable = false; // from now on, with a delay: the warning could not announce it
    bool recovered = false;
    bool would_delete = false;
    bool delete_intended = false;
    bool archive_wanted = false; // from now on
    bool archive_ended = false;  // it was on, or was to begin

    // Why not: the queue was not judged at all, or a confirmed size had no effect.
    Blocker blocker = Blocker::none;
    Blocker warn_blocker = Blocker::none;
    Blocker archive_blocker = Blocker::none;
    Blocker delete_blocker = Blocker::none;
};

// A broker that has just come back reports stale or zero numbers for a while; so does a queue after an
// action.
constexpr Micros hold_after_return = 15 * micros_per_second;
constexpr Micros hold_after_action = 10 * micros_per_second;

// Failed attempts to archive in a row before a queue is deleted without archiving. Transient failures are
// over by then, about 8 min after the first (retry_wait), and a permanent failure does not endanger the
// broker.
constexpr int archive_failures_for_good = 5;

// A limit that was exceeded is armed again at 0.8 of it, rounded down.
constexpr std::int64_t rearm_size(std::int64_t limit) noexcept {
    return limit - limit / 5 - (limit % 5 != 0 ? 1 : 0);
}

// Whether the archive has room for more messages of a queue.
bool has_room(const Limits& limits, std::int64_t archived) noexcept;

// Remaining time of delete_delay; 0 if the queue may be deleted.
Micros delay_left(const Limits& limits, Micros delay_from, Micros now) noexcept;

// The number that is compared with the limits, if known.
std::optional<std::int64_t> judged_size(const Sample& sample, Basis basis) noexcept;

Verdict judge(const Standing& was, const Sample& sample, const Limits& limits, Owner owner,
              const Circumstances& circumstances) noexcept;

// The queue is no longer watched: archiving ends. An incident stays open until the queue is watched again;
// acting withdraws an open intention.
Verdict leave(const Standing& was, Owner owner) noexcept;

} // namespace cloudsat::core
