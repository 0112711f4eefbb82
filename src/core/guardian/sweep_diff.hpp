// One sweep over a broker against what is known of its queues: who is new, who changed, who is gone. Pure:
// rows come from the table and from the listings as views, and go out as one Step each; nobody is asked and
// nothing is written. A broker may have a hundred thousand queues: what is kept of each is a Sighting, and an
// Entry, with all that the table has, is put together for one queue at a time.
//
// A sweep sees queues by two kinds of listing. A *sizes* listing (metrics, totals or statistics) has the
// numbers and is taken in every cycle; a *names* listing has every queue that exists, with its arguments, and
// is taken when the first gives reason to. Only what both of one cycle miss is absent.
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

// Which listing last had the sizes of a queue. `none`: only listings of names show it.
enum class SizeSource : std::uint8_t { none, metrics, totals, statistics };
std::string_view to_string(SizeSource source) noexcept; // empty for none
SizeSource parse_size_source(std::string_view text) noexcept;

// A row of the table.
struct Known {
    Facts facts;
    SizeSource source = SizeSource::none;
    Standing standing;
    Limits limits;
    std::int64_t policy = 0; // whose limits they are; 0: the server's own
    Owner owner = Owner::none;
    std::string_view owner_name;
    double growth = 0;     // messages per minute
    Micros changed_at = 0; // when its facts last changed
    bool gone = false;
};

class Sighting;

// One queue as a step needs it: as it was seen, and its row, if there is one.
struct Entry {
    Entry() = default;
    void see(const Sighting& sighting) noexcept;

    std::string_view name;
    std::uint32_t vhost = 0; // index into vhosts()
    bool known = false;      // `row` is from the table
    bool named = false;      // seen in a names listing of this sweep
    bool ruled = false;      // its limits or its owner were found anew and differ from the table
    Known row;
    Facts seen;
    SizeSource seen_in = SizeSource::none;
    std::optional<std::int64_t> archived; // messages of it in the archive; counted only where that is full
};

// What a sweep keeps of a queue: that it is known, and what the listings told.
class Sighting {
public:
    std::string_view name() const noexcept { return {name_, name_size_}; }
    std::uint32_t vhost() const noexcept { return vhost_; }
    bool known() const noexcept { return known_; } // there is a row in the table
    bool live() const noexcept { return live_; }   // and it does not say that the queue is gone
    bool named() const noexcept { return named_; }
    SizeSource source() const noexcept { return source_; } // as the row says
    SizeSource seen_in() const noexcept { return seen_in_; }
    Facts seen() const noexcept;

private:
    friend class Sweep;
    static constexpr std::int64_t absent = -1;
    void keep_counts(const Facts& facts) noexcept;

    const char* name_ = nullptr;
    const std::string_view* type_ = nullptr; // these are few, and shared
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
    bool met = false; // for whoever goes through the table again: its row was there
};
static_assert(sizeof(Sighting) <= 96);

struct Vhost {
    std::string_view name;
    bool listed = false;  // the broker's list of vhosts has it, and we watch it
    bool watched = true;  // false: the server's pattern leaves it out
    bool stopped = false; // it runs on no node: what is told of its queues is not true
    bool sized = false;   // a sizes listing of it was read to the end
    bool totals = false;  // the totals were
    bool named = false;   // so was a names listing
    bool gone = false;    // missing in the list of vhosts, and asking for it was answered "no such vhost"
    bool differs = false; // its sizes listing gives reason to read its names
    bool split = false;   // the metrics do not have all of its queues: other nodes keep them
};

class Sweep {
public:
    explicit Sweep(std::pmr::memory_resource* memory);

    // Vhosts are kept by view: their bytes must outlive the sweep. Names of queues, at most 255 bytes long,
    // and facts are copied.
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
    // Whoever asks for the queues in the order in which they came says which one this would be.
    Sighting* find(std::uint32_t vhost, std::string_view name, std::size_t expected = 0) noexcept;

    // Marks the vhosts whose metrics miss a queue that is there: another node keeps it, so totals must be
    // read as well.
    void find_split() noexcept;
    // Marks the vhosts whose sizes listing has a name that is not known, or misses one that it had before.
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

// Is this known queue absent from the broker, as far as this sweep can tell?
bool is_absent(const Sighting& sighting, const Vhost& vhost) noexcept;
bool is_absent(const Entry& entry, const Vhost& vhost) noexcept;

// Absent queues are believed at once when they are few. Many at once may be the listing's fault: then three
// polls in a row and a minute must say the same.
struct AbsenceBrake {
    int polls = 0;    // in a row that had too many absent, this one not counted
    Micros since = 0; // the first of them
};
bool believe_absence(std::size_t absent, std::size_t live, const AbsenceBrake& brake, Micros now) noexcept;
constexpr std::size_t absent_at_once = 20;

struct StepContext {
    Circumstances circumstances;
    Micros last_poll = 0;        // the last good one: growth is per time between the two
    bool believe_absent = false; // else absent queues stay as they are
};

// What becomes of one queue. When `write` is false there is nothing to do at all.
struct Step {
    bool write = false;  // the row changed, or is new
    bool sample = false; // its numbers did: worth a line of history
    bool appeared = false;
    bool redeclared = false; // with `appeared`: another queue of the same name had been there
    bool vanished = false;
    bool withdrawn = false; // an intention meant the queue that was there before
    Verdict verdict;
    Known row; // as it shall be
};
Step step(const Entry& entry, const Vhost& vhost, const StepContext& context) noexcept;

} // namespace cloudsat::core
