// The judge: from what the last poll left of a queue and what this poll saw, to what becomes of it. Pure and
// without memory of its own; time and limits are arguments. It decides, and never acts.
//
//   normal --warn_size on two polls--> warned --delete_size on two polls--> intended --(act)--> deleted
//      ^------ 0.8 of warn_size or less ------'
//
// Between warned and deleted lies archiving, where archive_size is given: --archive_size on two polls-->
// archiving, and back at 0.8 of it or less, or when the archive will not have more. As long as the archive
// may have more of a queue and does not fail for good, the queue is not deleted. A full archive that has room
// again goes on.
//
// A queue that was belayed is warned about and recovers like any other, and nothing is done to it. That ends
// with the incident.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// Microseconds since any fixed moment; only differences matter here.
using Micros = std::int64_t;
constexpr Micros micros_per_second = 1'000'000;

// How overgrown a queue is, in the order of the SQL type cloudsat.level.
enum class Level : std::uint8_t { normal, warned, archiving, deleted };
std::string_view to_string(Level level) noexcept;
std::optional<Level> parse_level(std::string_view text) noexcept;

// Which number is held against the limits.
enum class Basis : std::uint8_t { total, ready };

// Who is told. A person is an address with a local part.
enum class Owner : std::uint8_t { none, person, reserved };

// Whether the broker vouches for the numbers of a queue: states other than running, idle, flow and live come
// with frozen or zeroed counts. A listing without states leaves it unknown.
enum class Liveness : std::uint8_t { unknown, live, dead };
Liveness liveness_of(std::string_view state) noexcept;

struct Limits {
    std::int64_t warn_size = 2000;
    std::int64_t delete_size = 8000;
    bool unbounded = false; // warned about, never deleted
    bool exempt = false;    // left alone altogether
    Basis basis = Basis::total;
    std::optional<std::int64_t> archive_size = {};     // absent: nothing is archived
    std::optional<std::int64_t> max_archive_size = {}; // messages the archive may hold; absent: any number
    Micros delete_delay = 0; // least time between an incident's warning and the deletion

    friend bool operator==(const Limits&, const Limits&) = default;
};

// How the archive stands to a queue: nothing to do; taking its messages; not any more, because it holds as
// many as it may; or not at all, because that would disturb somebody. The last two end when the queue is
// small again, and `full` as soon as there is room.
enum class Archive : std::uint8_t { none, on, full, withheld };
std::string_view to_string(Archive archive) noexcept; // empty for none
Archive parse_archive(std::string_view text) noexcept;

// What one poll leaves for the next.
struct Standing {
    Level level = Level::normal;
    Level pending = Level::normal;   // the level that the last poll's size called for, confirmed or not
    bool would_delete = false;       // said once per incident, while not enforcing
    bool belayed = false;            // an owner or admin keeps it from being archived and deleted
    bool intended = false;           // an intention to delete is open; the act decides, not the judge
    Archive archive = Archive::none; // the judge begins and ends it; the act finds it full, or stands back,
                                     // or ends it when it has made the queue small
    int archive_failures = 0;        // attempts in a row, while it is on
    Micros delay_from = 0;           // from when delete_delay counts; 0: not yet. The warning, or, where
                                     // nobody is warned, the first size above delete_size; later if it
                                     // could not be deleted then
    Micros acted_at = 0;             // last request that changed the queue; 0: never
    Micros retry_after = 0;          // no new intention before; 0: at once

    friend bool operator==(const Standing&, const Standing&) = default;
};

struct Sample {
    std::optional<std::int64_t> messages; // absent is unknown, never 0
    std::optional<std::int64_t> ready;
    Liveness liveness = Liveness::unknown;
    bool stream = false;                       // counts of a stream say nothing of what is unread
    std::optional<std::int64_t> archived = {}; // messages of it in the archive; absent: not counted
};

struct Circumstances {
    Micros now = 0;
    Micros up_since = 0;    // when the broker became reachable again; 0: it always was
    bool enforce = false;   // else deletions are only announced
    bool may_delete = true; // false for a partial sweep
    bool archives = true;   // messages are archived after this poll: false for poll()
};

// What keeps the guardian from judging a queue, or from something that its size calls for.
enum class Blocker : std::uint8_t {
    none,
    intended, // from judging at all
    exempt,
    reserved,
    no_number,
    dead_state,
    back_lately,
    acted_lately,
    no_owner,     // from warning
    not_enforced, // from archiving and deleting
    partial_sweep,
    unwatched,
    stream,
    withheld,
    full,
    uncounted,
    unbounded,
    belayed,
    archive_first,
    by_hand, // from deleting
    delayed,
    retry_later,
};
// Half a sentence that lives for ever, "enforce is off"; empty for none.
std::string_view reason_of(Blocker blocker) noexcept;

// Why a queue is left alone altogether, if it is: no number is needed to tell.
Blocker left_alone(const Limits& limits, Owner owner) noexcept;

struct Verdict {
    Standing next;
    bool warned = false;
    bool deletable = false; // from now on, with a delay: the warning could not say so
    bool recovered = false;
    bool would_delete = false;
    bool delete_intended = false;
    bool archive_wanted = false; // from now on
    bool archive_ended = false;  // it was on, or meant to be

    // Why not: nothing was judged at all; or what a confirmed size calls for did not come.
    Blocker blocker = Blocker::none;
    Blocker warn_blocker = Blocker::none;
    Blocker archive_blocker = Blocker::none;
    Blocker delete_blocker = Blocker::none;
};

// A broker that has just come back tells old or zero numbers for a while; so does a queue that was just acted
// upon.
constexpr Micros hold_after_return = 15 * micros_per_second;
constexpr Micros hold_after_action = 10 * micros_per_second;

// So many attempts to archive in a row must fail before a queue is deleted all the same: what fails for a
// moment only is over by then, some 8 min after the first (retry_wait), and what fails for ever holds no
// broker in need.
constexpr int archive_failures_for_good = 5;

// A limit that was crossed is armed again at 0.8 of it, rounded down.
constexpr std::int64_t rearm_size(std::int64_t limit) noexcept {
    return limit - limit / 5 - (limit % 5 != 0 ? 1 : 0);
}

// Whether the archive may hold more of a queue.
bool has_room(const Limits& limits, std::int64_t archived) noexcept;

// How long it must not be deleted yet, by delete_delay; 0: it may.
Micros delay_left(const Limits& limits, Micros delay_from, Micros now) noexcept;

// The number that counts against the limits, when there is one.
std::optional<std::int64_t> judged_size(const Sample& sample, Basis basis) noexcept;

Verdict judge(const Standing& was, const Sample& sample, const Limits& limits, Owner owner,
              const Circumstances& circumstances) noexcept;

// The queue is not watched any more, so nobody sees how it goes on: what was begun ends. An incident stays
// open until the queue is watched again; an intention is the act's to withdraw.
Verdict leave(const Standing& was, Owner owner) noexcept;

} // namespace cloudsat::core
