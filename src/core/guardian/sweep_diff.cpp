// The sweep; see sweep_diff.hpp.

#include "core/guardian/sweep_diff.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <type_traits>

namespace cloudsat::core {
namespace {

constexpr std::array<std::string_view, 4> source_names{"", "metrics", "totals", "statistics"};
constexpr Micros minute = 60 * micros_per_second;

std::uint32_t hash_of(std::uint32_t vhost, std::string_view name) noexcept {
    const std::size_t hash = std::hash<std::string_view>{}(name) + vhost * std::size_t{0x9e3779b97f4a7c15};
    return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
}

template <class T> void take(std::optional<T>& known, const std::optional<T>& told) noexcept {
    if (told) {
        known = told;
    }
}
void take(std::string_view& known, std::string_view told) noexcept {
    if (!told.empty()) {
        known = told;
    }
}

void merge(Facts& known, const Facts& told) noexcept {
    take(known.type, told.type);
    take(known.state, told.state);
    take(known.arguments, told.arguments);
    take(known.durable, told.durable);
    take(known.exclusive, told.exclusive);
    take(known.auto_delete, told.auto_delete);
    take(known.messages, told.messages);
    take(known.ready, told.ready);
    take(known.unacknowledged, told.unacknowledged);
    take(known.consumers, told.consumers);
    take(known.memory, told.memory);
}

bool same_numbers(const Facts& a, const Facts& b) noexcept {
    return a.messages == b.messages && a.ready == b.ready && a.unacknowledged == b.unacknowledged;
}

// Growth in messages per minute by basis, smoothed over about a minute; a minute without change counts as
// zero growth. `writing`: the row is written anyway. Growth alone does not cause a write, so the next change
// of the row accounts for the unchanged polls before it.
double next_growth(const Known& was, const Facts& told, const StepContext& context, bool writing) noexcept {
    const auto size = [&](const Facts& facts) {
        return judged_size({.messages = facts.messages, .ready = facts.ready}, was.limits.basis);
    };
    const std::optional<std::int64_t> before = size(was.facts);
    const std::optional<std::int64_t> after = size(told);
    const Micros now = context.circumstances.now;
    if (!before || !after || context.last_poll == 0 || now <= context.last_poll) {
        return was.growth;
    }
    const auto minutes = [](Micros time) { return static_cast<double>(time) / static_cast<double>(minute); };
    const auto thousandth = [](double value) { return std::round(value * 1000) / 1000; };
    if (*before == *after) {
        if (now - was.changed_at >= minute) {
            return 0;
        }
        return writing
                   ? thousandth(was.growth * std::exp(-minutes(std::max<Micros>(now - was.changed_at, 0))))
                   : was.growth;
    }
    const Micros idle = std::max<Micros>(context.last_poll - was.changed_at, 0);
    const double rested = was.growth * std::exp(-minutes(idle));
    const double step = minutes(std::max(now - context.last_poll, micros_per_second));
    const double rate = (static_cast<double>(*after) - static_cast<double>(*before)) / step;
    return thousandth(rested + (1.0 - std::exp(-step)) * (rate - rested));
}

// Whether a queue that was not seen in this vhost no longer exists.
bool misses(const Vhost& vhost) noexcept {
    return vhost.gone || (vhost.sized && vhost.named);
}

Sample sample_of(const Entry& entry, const Facts& before, const Facts& merged) noexcept {
    // After a restart the broker lists quorum queues with 0 messages for seconds. If it was down between two
    // polls, no poll noticed, so the first 0 is not judged; the second one is.
    if (merged.type == "quorum" && entry.seen.messages == 0 && before.messages.value_or(0) > 0) {
        return {
            .messages = {}, .ready = {}, .liveness = liveness_of(merged.state), .archived = entry.archived};
    }
    // Only numbers of this sweep: a row without them is not judged by older ones.
    return {.messages = entry.seen.messages,
            .ready = entry.seen.ready,
            .liveness = liveness_of(merged.state), // metrics have no state: then the last known one
            .stream = merged.type == "stream",
            .archived = entry.archived};
}

} // namespace

std::string_view to_string(SizeSource source) noexcept {
    return source_names[static_cast<std::size_t>(source)];
}

SizeSource parse_size_source(std::string_view text) noexcept {
    const auto* found = std::find(source_names.begin(), source_names.end(), text);
    return found == source_names.end() ? SizeSource::none
                                       : static_cast<SizeSource>(found - source_names.begin());
}

Facts Sighting::seen() const noexcept {
    const auto count = [](std::int64_t value) {
        return value == absent ? std::nullopt : std::optional(value);
    };
    const auto flag = [](std::int8_t value) {
        return value == absent ? std::nullopt : std::optional(value != 0);
    };
    Facts facts;
    facts.type = type_ == nullptr ? std::string_view{} : *type_;
    facts.state = state_ == nullptr ? std::string_view{} : *state_;
    facts.arguments = arguments_ == nullptr ? std::string_view{} : std::string_view(arguments_);
    facts.durable = flag(durable_);
    facts.exclusive = flag(exclusive_);
    facts.auto_delete = flag(auto_delete_);
    facts.messages = count(messages_);
    facts.ready = count(ready_);
    facts.unacknowledged = count(unacknowledged_);
    facts.consumers = count(consumers_);
    facts.memory = count(memory_);
    return facts;
}

void Sighting::keep_counts(const Facts& facts) noexcept {
    const auto keep = [](auto& mine, const auto& told) {
        if (told) {
            mine = static_cast<std::remove_reference_t<decltype(mine)>>(*told);
        }
    };
    keep(durable_, facts.durable);
    keep(exclusive_, facts.exclusive);
    keep(auto_delete_, facts.auto_delete);
    keep(messages_, facts.messages);
    keep(ready_, facts.ready);
    keep(unacknowledged_, facts.unacknowledged);
    keep(consumers_, facts.consumers);
    keep(memory_, facts.memory);
}

void Entry::see(const Sighting& sighting) noexcept {
    name = sighting.name();
    vhost = sighting.vhost();
    known = sighting.known();
    named = sighting.named();
    ruled = false;
    seen = sighting.seen();
    seen_in = sighting.seen_in();
}

Sweep::Sweep(std::pmr::memory_resource* memory)
    : vhosts_(memory), sightings_(memory), words_(memory), slots_(memory) {}

std::optional<std::uint32_t> Sweep::find_vhost(std::string_view name) const noexcept {
    // There are few vhosts, and queries come in runs: the last one answers most.
    for (std::size_t i = vhosts_.size(); i > 0; --i) {
        if (vhosts_[i - 1].name == name) {
            return static_cast<std::uint32_t>(i - 1);
        }
    }
    return std::nullopt;
}

std::uint32_t Sweep::vhost(std::string_view name) {
    if (const auto found = find_vhost(name)) {
        return *found;
    }
    vhosts_.push_back({.name = name});
    return static_cast<std::uint32_t>(vhosts_.size() - 1);
}

void Sweep::grow(std::size_t slots) {
    slots_.assign(slots, 0);
    for (std::size_t i = 0; i < sightings_.size(); ++i) {
        std::size_t slot = sightings_[i].hash_ & (slots - 1);
        while (slots_[slot] != 0) {
            slot = (slot + 1) & (slots - 1);
        }
        slots_[slot] = static_cast<std::uint32_t>(i + 1);
    }
}

void Sweep::reserve(std::size_t queues) {
    const std::size_t slots = std::bit_ceil(queues * 2 + 16);
    if (slots > slots_.size()) {
        grow(slots);
    }
}

// The slot of that queue, or the free slot for it. There always is one.
std::size_t Sweep::place_of(std::uint32_t vhost, std::string_view name, std::uint32_t hash) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t place = hash & mask;
    for (; slots_[place] != 0; place = (place + 1) & mask) {
        const Sighting& sighting = sightings_[slots_[place] - 1];
        if (sighting.hash_ == hash && sighting.vhost_ == vhost && sighting.name() == name) {
            break;
        }
    }
    return place;
}

// Copies with a terminating NUL.
const char* Sweep::copy(std::string_view text) {
    return join(sightings_.get_allocator().resource(), {text}).data();
}

// Types and states have few values, so they are shared. New values of a future broker may be stored more than
// once.
const std::string_view* Sweep::share(std::string_view text) {
    constexpr std::size_t remembered = 16;
    for (std::size_t i = words_.size(); i > 0 && i + remembered > words_.size(); --i) {
        if (words_[i - 1] == text) {
            return &words_[i - 1];
        }
    }
    return &words_.emplace_back(copy(text), text.size());
}

Sighting& Sweep::at(std::uint32_t vhost, std::string_view name) {
    if ((sightings_.size() + 1) * 2 > slots_.size()) {
        grow(std::max<std::size_t>(slots_.size() * 2, 64));
    }
    const std::uint32_t hash = hash_of(vhost, name);
    std::uint32_t& slot = slots_[place_of(vhost, name, hash)];
    if (slot == 0) {
        Sighting& sighting = sightings_.emplace_back();
        sighting.name_ = copy(name);
        sighting.name_size_ = static_cast<std::uint16_t>(name.size());
        sighting.vhost_ = vhost;
        sighting.hash_ = hash;
        slot = static_cast<std::uint32_t>(sightings_.size());
    }
    return sightings_[slot - 1];
}

Sighting* Sweep::find(std::uint32_t vhost, std::string_view name, std::size_t expected) noexcept {
    if (expected < sightings_.size() && sightings_[expected].vhost_ == vhost &&
        sightings_[expected].name() == name) {
        return &sightings_[expected];
    }
    if (slots_.empty()) {
        return nullptr;
    }
    const std::uint32_t found = slots_[place_of(vhost, name, hash_of(vhost, name))];
    return found == 0 ? nullptr : &sightings_[found - 1];
}

void Sweep::know(std::uint32_t vhost, std::string_view name, bool gone, SizeSource source) {
    Sighting& sighting = at(vhost, name);
    sighting.known_ = true;
    sighting.live_ = !gone;
    sighting.source_ = source;
}

void Sweep::merge(Sighting& sighting, const Facts& facts) {
    if (!facts.type.empty() && (sighting.type_ == nullptr || *sighting.type_ != facts.type)) {
        sighting.type_ = share(facts.type);
    }
    if (!facts.state.empty() && (sighting.state_ == nullptr || *sighting.state_ != facts.state)) {
        sighting.state_ = share(facts.state);
    }
    if (!facts.arguments.empty()) {
        sighting.arguments_ = facts.arguments == "{}" ? "{}" : copy(facts.arguments);
    }
    sighting.keep_counts(facts);
}

void Sweep::saw_size(std::uint32_t vhost, std::string_view name, const Facts& facts, SizeSource source) {
    Sighting& sighting = at(vhost, name);
    merge(sighting, facts);
    sighting.seen_in_ = source;
}

void Sweep::saw_name(std::uint32_t vhost, std::string_view name, const Facts& facts) {
    Sighting& sighting = at(vhost, name);
    Facts told = facts;
    if (sighting.state_ != nullptr) {
        told.state = {}; // totals know better: here every queue whose node is up is `live`
    }
    merge(sighting, told);
    sighting.named_ = true;
}

void Sweep::find_split() noexcept {
    for (const Sighting& sighting : sightings_) {
        Vhost& vhost = vhosts_[sighting.vhost()];
        if (!vhost.sized || sighting.seen_in() != SizeSource::none) {
            continue;
        }
        const bool sized_elsewhere = sighting.live() && (sighting.source() == SizeSource::totals ||
                                                         sighting.source() == SizeSource::statistics);
        if (sized_elsewhere || sighting.named()) {
            vhost.split = true;
        }
    }
}

void Sweep::compare_names() noexcept {
    for (const Sighting& sighting : sightings_) {
        Vhost& vhost = vhosts_[sighting.vhost()];
        const bool seen = sighting.seen_in() != SizeSource::none;
        const bool expected = sighting.live() && sighting.source() != SizeSource::none;
        if (vhost.sized && seen != expected) {
            vhost.differs = true;
        }
    }
}

std::size_t Sweep::live() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(sightings_.begin(), sightings_.end(), [](const Sighting& s) { return s.live(); }));
}

bool is_absent(const Sighting& sighting, const Vhost& vhost) noexcept {
    return sighting.live() && !sighting.named() && sighting.seen_in() == SizeSource::none && misses(vhost);
}

bool is_absent(const Entry& entry, const Vhost& vhost) noexcept {
    return entry.known && !entry.row.gone && !entry.named && entry.seen_in == SizeSource::none &&
           misses(vhost);
}

bool believe_absence(std::size_t absent, std::size_t live, const AbsenceBrake& brake, Micros now) noexcept {
    if (absent <= std::max(absent_at_once, live / 2)) {
        return true;
    }
    return brake.polls >= 2 && now - brake.since >= minute;
}

namespace {

// A queue that no listing showed.
Step step_unseen(const Entry& entry, const Vhost& vhost, const StepContext& context) noexcept {
    Step result;
    result.row = entry.row;
    result.write = entry.ruled;
    // Acting settles an intended deletion, by its own look.
    if (context.believe_absent && is_absent(entry, vhost) && !entry.row.standing.intended) {
        result.write = result.vanished = true;
        result.row.gone = true;
        result.row.standing = {};
        result.row.growth = 0;
        result.row.changed_at = context.circumstances.now;
    } else if (!vhost.watched && entry.known && !entry.row.gone) {
        result.verdict = leave(entry.row.standing, entry.row.owner);
        result.row.standing = result.verdict.next;
        result.write = result.write || !(result.row.standing == entry.row.standing);
    }
    return result;
}

} // namespace

Step step(const Entry& entry, const Vhost& vhost, const StepContext& context) noexcept {
    Step result;
    const Micros now = context.circumstances.now;
    const bool sized = entry.seen_in != SizeSource::none;
    if (!sized && !entry.named) {
        return step_unseen(entry, vhost, context);
    }

    const bool live_before = entry.known && !entry.row.gone;
    // Numbers without a name and without a row: it disappeared in between, or is not listed yet. The next
    // sweep will tell.
    if (!live_before && !entry.named) {
        result.row = entry.row;
        return result;
    }

    result.redeclared = live_before && declared_differently(entry.row.facts, entry.seen);
    result.appeared = !live_before || result.redeclared;
    Known before = entry.row;
    if (result.appeared) {
        result.withdrawn = result.redeclared && before.standing.intended;
        before.facts = {};
        before.standing = {};
        before.source = SizeSource::none;
        before.growth = 0;
        result.row = before;
        result.row.facts = entry.seen;
        result.row.changed_at = now;
    } else {
        result.row = before;
        merge(result.row.facts, entry.seen);
        result.row.growth =
            next_growth(before, result.row.facts, context, !(result.row.facts == before.facts));
    }
    // A sweep without sizes of this vhost does not change the source of the sizes.
    result.row.source = sized || vhost.sized ? entry.seen_in : before.source;
    result.row.gone = false;

    result.verdict = judge(before.standing, sample_of(entry, before.facts, result.row.facts),
                           result.row.limits, result.row.owner, context.circumstances);
    result.row.standing = result.verdict.next;

    const bool told_more = !(result.row.facts == before.facts);
    if (told_more) {
        result.row.changed_at = now;
    }
    result.sample = !same_numbers(result.row.facts, before.facts) && result.row.facts.messages.has_value();
    result.write = result.appeared || entry.ruled || told_more || result.row.source != before.source ||
                   result.row.growth != before.growth || !(result.row.standing == before.standing);
    return result;
}

} // namespace cloudsat::core
