// Compares one sweep over a broker with the known queues: new, changed and gone ones. Pure: rows from the
// table and from the listings come in as views and go out as one Step each; no I/O. A broker may have a
// hundred thousand queues, so a sweep stores a Sighting of each. An Entry, with everything from the table, is
// built for one queue at a time.
//
// A sweep sees queues in two kinds of listing. A *sizes* listing (metrics, totals or statistics) has the
// numbers and is read in every cycle. A *names* listing has every existing queue with its arguments, and is
// read if the first gives reason to. A queue is absent only if both listings of one cycle miss it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/guardian/judge.hpp"
#include "core/wire/queue_facts.hpp"

namespace cloudsat::core {

// The listing that last had the sizes of a queue; `none` if only listings of names show it.
enum class SizeSource : std::uint8_t { none, metrics, totals, statistics };
std::string_view to_string(SizeSource source) noexcept; // empty for none
SizeSource parse_size_source(std::string_view text) noexcept;

// A row of the table.
struct Known {
    Facts facts;
    SizeSource source = SizeSource::none;
    Standing standing;
    Limits limits;
    std::int64_t policy = 0; // whose limits apply; 0 for the server's own
    Owner owner = Owner::none;
    std::string_view owner_name;
    double growth = 0;     // messages per minute
    Micros changed_at = 0; // when its facts last changed
    bool gone = false;
};

class Sighting;

// One queue as input of a step: its sighting and its row, if any.
struct Entry {
    Entry() = default;
    void see(const Sighting& sighting) noexcept;

    std::string_view name;
    std::uint32_t vhost = 0; // index into vhosts()
    bool known = false;      // `row` is from the table
    bool named = false;      // seen in a names listing of this sweep
    bool ruled = false;      // its limits or owner were looked up again and differ from the table
    Known row;
    Facts seen;
    SizeSource seen_in = SizeSource::none;
    std::optional<std::int64_t> archived; // its messages in the archive; counted only if that is full
};

// What a sweep stores of a queue: whether it is known, and what the listings reported.
class Sighting {
public:
    std::string_view name() const noexcept { return {name_, name_size_}; }
    std::uint32_t vhost() const noexcept { return vhost_; }
    bool known() const noexcept { return known_; } // the table has a row
    bool live() const noexcept { return live_; }   // and the row does not say that the queue is gone
    bool named() const noexcept { return named_; }
    SizeSource source() const noexcept { return source_; } // as in the row
    SizeSource seen_in() const noexcept { return seen_in_; }
    Facts seen() const noexcept;

private:
    friend class Sweep;
    static constexpr std::int64_t absent = -1;
    void keep_counts(const Facts& facts) noexcept;

    const char* name_ = nullptr;
    const std::string_view* type_ = nullptr; // these have few values, and are shared
    const std::string_view* state_ = nullptr;
    const char* arguments_ = nullptr;
    std::int64_t messages_ = absent, ready_ = absent, unacknowledged_ = absent;
    std::int64_t consumers_ = absent, memory_ = absent;
    std::uint32_t vhost_ = 0;
    std::uint32_t hash_ = 0;
    std::uint16_t name_size_ = 0;
    std::int8_t durable_ = absent, exclusive_ = absent, auto_delete_ = absent;
    SizeSource source_ = SizeSource::none;
    SizeSource seen_in_ = SizeSource::none;
    bool known_ = false, live_ = false, named_ = false;

public:
    bool met = false; // for a second scan of the table: its row was seen
};
static_assert(sizeof(Sighting) <= 96);

struct Vhost {
    std::string_view name;
    bool listed = false;  // the broker's list of vhosts has it, and it is watched
    bool watched = true;  // false: the option vhosts excludes it
    bool stopped = false; // it runs on no node: reports on its queues are wrong
    bool sized = false;   // a sizes listing of it was read completely
    bool totals = false;  // totals were read completely
    bool named = false;   // a names listing was read completely
    bool gone = false;    // missing in the list of vhosts, and a request for it was answered "no such vhost"
    bool differs = false; // its sizes listing gives reason to read its names
    bool split = false;   // the metrics lack some of its queues: other nodes have them
};

class Sweep {
public:
    explicit Sweep(std::pmr::memory_resource* memory);

    // Vhost names are stored as views: their bytes must outlive the sweep. Names of queues (at most 255
    // bytes) and facts are copied.
    std::uint32_t vhost(std::string_view name);
    std::optional<std::uint32_t> find_vhost(std::string_view name) const noexcept;
    std::span<Vhost> vhosts() noexcept { return vhosts_; }
    std::pmr::deque<Sighting>& sightings() noexcept { return sightings_; }
    const std::pmr::deque<Sighting>& sightings() const noexcept { return sightings_; }
    std::string_view vhost_of(const Sighting& sighting) const noexcept {
        return vhosts_[sighting.vhost()].name;
    }
    std::string_view vhost_of(const Entry& entry) const noexcept { return vhosts_[entry.vhost].name; }

    void reserve(std::size_t queues);
    void know(std::uint32_t vhost, std::string_view name, bool gone, SizeSource source);
    void saw_size(std::uint32_t vhost, std::string_view name, const Facts& facts, SizeSource source);
    void saw_name(std::uint32_t vhost, std::string_view name, const Facts& facts);
    // A caller that scans in listing order passes the expected position.
    Sighting* find(std::uint32_t vhost, std::string_view name, std::size_t expected = 0) noexcept;

    // Marks the vhosts whose metrics lack an existing queue: another node has it, so totals must be read as
    // well.
    void find_split() noexcept;
    // Marks the vhosts whose sizes listing has an unknown name, or lacks one that it had before.
    void compare_names() noexcept;

    std::size_t live() const noexcept; // known and not gone

private:
    Sighting& at(std::uint32_t vhost, std::string_view name);
    std::size_t place_of(std::uint32_t vhost, std::string_view name, std::uint32_t hash) const noexcept;
    void grow(std::size_t slots);
    const char* copy(std::string_view text);
    const std::string_view* share(std::string_view text);
    void merge(Sighting& sighting, const Facts& facts);

    std::pmr::vector<Vhost> vhosts_;
    std::pmr::deque<Sighting> sightings_;
    std::pmr::deque<std::string_view> words_; // types and states
    std::pmr::vector<std::uint32_t> slots_;   // open addressing: index into sightings_, plus 1; 0 is free
};

// Whether this known queue is absent from the broker, as far as this sweep can tell.
bool is_absent(const Sighting& sighting, const Vhost& vhost) noexcept;
bool is_absent(const Entry& entry, const Vhost& vhost) noexcept;

// A few absent queues are believed at once. Many at once may be a fault of the listing: then three polls in a
// row, over at least a minute, must agree.
struct AbsenceBrake {
    int polls = 0;    // in a row with too many absent, excluding this one
    Micros since = 0; // the first of them
};
bool believe_absence(std::size_t absent, std::size_t live, const AbsenceBrake& brake, Micros now) noexcept;
constexpr std::size_t absent_at_once = 20;

struct StepContext {
    Circumstances circumstances;
    Micros last_poll = 0;        // the last good one: growth is per time between the two
    bool believe_absent = false; // if false, absent queues remain unchanged
};

// The outcome for one queue. If `write` is false, there is nothing to do.
struct Step {
    bool write = false;  // the row changed or is new
    bool sample = false; // its numbers changed: adds a row to the history
    bool appeared = false;
    bool redeclared = false; // with `appeared`: replaces another queue of the same name
    bool vanished = false;
    bool withdrawn = false; // an open intention was about the previous queue
    Verdict verdict;
    Known row; // the new row
};
Step step(const Entry& entry, const Vhost& vhost, const StepContext& context) noexcept;

} // namespace cloudsat::core
