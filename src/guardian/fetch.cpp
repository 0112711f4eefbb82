// Fetching, see fetch.hpp: selects the documents that a cycle requests, and classifies faults. Needs no
// transaction; does not write or judge. A document is decoded completely before any row of it is used.

#include "guardian/fetch.hpp"

#include <algorithm>
#include <cstring>

#include "core/guardian/account.hpp"
#include "core/wire/broker_documents.hpp"
#include "core/wire/broker_name.hpp"
#include "core/wire/queue_listing.hpp"
#include "core/wire/queue_metrics.hpp"
#include "core/wire/url.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/wait.hpp"

extern "C" {
#include "portability/instr_time.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

using core::FaultKind;
using core::SizeSource;

constexpr std::string_view totals_query = "?disable_stats=true&enable_queue_totals=true&columns=name,type,"
                                          "durable,exclusive,auto_delete,state,messages,"
                                          "messages_ready,messages_unacknowledged";
constexpr std::string_view names_query =
    "?disable_stats=true&columns=name,type,durable,exclusive,auto_delete,state,arguments";
constexpr std::string_view statistics_query = "?columns=name,type,durable,exclusive,auto_delete,state,"
                                              "messages,messages_ready,messages_unacknowledged,consumers,"
                                              "memory";
constexpr std::string_view bindings_query =
    "?columns=source,vhost,destination,destination_type,routing_key,arguments";

// Interval at which all names and bindings are read without any other reason.
constexpr TimestampTz names_every = 5 * 60 * USECS_PER_SEC;
constexpr TimestampTz bindings_every = 5 * 60 * USECS_PER_SEC;
constexpr TimestampTz users_every = 5 * 60 * USECS_PER_SEC;
// With more new queues than this in one vhost, all its bindings are read instead of each queue's own.
constexpr std::size_t most_single_bindings = 20;
// Totals have no size of streams, and each stream costs a request of about 3 ms. With more streams than this,
// each cycle asks for a part of them.
constexpr std::size_t most_single_streams = 100;

// A cycle in progress, with data that only fetching needs.
struct Fetching {
    Cycle& cycle;
    Api api;
    bool partial = false;   // some vhost could not be read
    bool stop = false;      // further requests make no sense
    std::size_t vhosts = 0; // that the broker shows
};

core::Facts facts_of(const core::QueueRow& row) noexcept {
    core::Facts facts;
    facts.type = row.type;
    facts.state = row.state;
    facts.arguments = row.arguments;
    facts.durable = row.durable;
    facts.exclusive = row.exclusive;
    facts.auto_delete = row.auto_delete;
    facts.messages = row.messages;
    facts.ready = row.ready;
    facts.unacknowledged = row.unacknowledged;
    facts.consumers = row.consumers;
    facts.memory = row.memory;
    return facts;
}

// Only the first fault is reported.
void note(Cycle& cycle, FaultKind kind, std::string_view what, std::string_view text) {
    if (cycle.fault.kind == FaultKind::none) {
        cycle.fault = {kind, join(cycle.arena, {what, ": ", text})};
    }
}

// After these faults, no request can succeed.
bool ends_conversation(FaultKind kind) noexcept {
    return core::nobody_to_ask(kind) || kind == FaultKind::closed || kind == FaultKind::protocol;
}

// Waits for the answer to the request, and measures the time.
const net::Reply& answer(Fetching& f, net::Http& http) {
    instr_time began;
    INSTR_TIME_SET_CURRENT(began);
    const net::Reply& reply = finish(http, f.cycle.metrics);
    instr_time ended;
    INSTR_TIME_SET_CURRENT(ended);
    INSTR_TIME_SUBTRACT(ended, began);
    f.cycle.fetch_us += static_cast<std::int64_t>(INSTR_TIME_GET_MICROSEC(ended));
    f.cycle.bytes += static_cast<std::int64_t>(reply.bytes);
    return reply;
}

const net::Reply& ask(Fetching& f, std::string_view url, core::Expect expect) {
    start(*f.cycle.http, *f.cycle.server, net::Method::get, url, expect);
    return answer(f, *f.cycle.http);
}

// URL of a listing of one vhost; or of all vhosts, with the column vhost, if this one has no address over
// HTTP. The queries end with the list of columns.
std::string_view listing_url(const Fetching& f, std::string_view kind, std::string_view vhost,
                             std::string_view query) {
    return f.api.vhost_url(kind, vhost,
                           f.api.has_address(vhost) ? query : join(f.cycle.arena, {query, ",vhost"}));
}

enum class Asked { ok, missing, timed_out, failed };

// One listing of queues; `use` gets each row, and must not raise. The fault is noted unless the vhost is
// missing or the caller has another listing to try.
Asked read_queues(Fetching& f, std::string_view vhost, std::string_view query, bool last_way,
                  const core::QueueUse& use) {
    const std::string_view url = listing_url(f, "queues", vhost, query);
    const net::Reply& reply = ask(f, url, core::Expect::json);
    if (reply.kind == FaultKind::not_found) {
        return Asked::missing;
    }
    if (reply.kind != FaultKind::none) {
        const bool timed_out = reply.kind == FaultKind::timed_out;
        if (!timed_out || last_way) {
            note(f.cycle, reply.kind, join(f.cycle.arena, {"queues of vhost \"", vhost, "\""}), reply.error);
            f.stop = f.stop || ends_conversation(reply.kind);
        }
        return timed_out ? Asked::timed_out : Asked::failed;
    }
    std::size_t of_vhost = 0;
    const auto use_own = [&](const core::QueueRow& row) {
        if (row.vhost.empty() || row.vhost == vhost) {
            ++of_vhost;
            use(row);
        }
    };
    const auto unusable = core::for_each_queue(reply.json(), use_own);
    if (!unusable) {
        note(f.cycle, unusable.error().kind, join(f.cycle.arena, {"queues of vhost \"", vhost, "\""}),
             unusable.error().detail);
        return Asked::failed;
    }
    f.cycle.unusable += unusable.value();
    // a listing of all vhosts exists whether or not this vhost does
    const bool there = of_vhost > 0 || f.cycle.sweep->vhosts()[*f.cycle.sweep->find_vhost(vhost)].listed ||
                       core::segment_of_text(vhost, f.cycle.arena);
    return there ? Asked::ok : Asked::missing;
}

// Reads the list of vhosts. Without it there is no sweep.
bool read_vhosts(Fetching& f) {
    Cycle& cycle = f.cycle;
    const net::Reply& reply = answer(f, *cycle.http); // start_fetch() sent the request
    if (reply.kind != FaultKind::none) {
        note(cycle, reply.kind, "vhosts", reply.error);
        return false;
    }
    const auto listing = core::read_vhost_listing(reply.json(), cycle.arena);
    if (!listing) {
        note(cycle, listing.error().kind, "vhosts", listing.error().detail);
        return false;
    }
    cycle.unusable += listing.value().unusable;
    f.vhosts = listing.value().rows.size();
    for (const core::VhostRow& row : listing.value().rows) {
        if (!watches(*cycle.server, row.name)) {
            continue;
        }
        const std::uint32_t index = cycle.sweep->vhost(row.name); // may move the others
        core::Vhost& vhost = cycle.sweep->vhosts()[index];
        vhost.listed = true;
        vhost.stopped = row.nodes > 0 && row.running == 0;
    }
    return true;
}

void saw(Cycle& cycle, std::uint32_t vhost, std::string_view name, core::Facts facts, SizeSource source) {
    // A stopped vhost first reports stale numbers, then zeros.
    if (cycle.sweep->vhosts()[vhost].stopped) {
        facts.messages.reset();
        facts.ready.reset();
        facts.unacknowledged.reset();
    }
    cycle.sweep->saw_size(vhost, name, facts, source);
}

// The sizes of all vhosts in one document. False if it is unusable; then totals are read instead.
bool read_metrics(Fetching& f) {
    Cycle& cycle = f.cycle;
    const net::Reply& reply = answer(f, *cycle.metrics); // start_fetch() sent the request
    if (reply.kind != FaultKind::none) {
        // the sweep continues without metrics, so only polls.last_error reports this
        const std::string_view hint = core::plugin_hint(reply.kind, core::Plugin::prometheus);
        note(cycle, reply.kind, "metrics",
             hint.empty() ? reply.error : join(cycle.arena, {reply.error, ". ", hint}));
        return false;
    }
    std::uint32_t vhost = 0;
    std::string_view last;
    const auto use = [&](const core::QueueSizes& row) {
        const std::string_view of = core::text_of_name(row.vhost, cycle.arena);
        if (of != last || last.empty()) {
            const auto found = cycle.sweep->find_vhost(of);
            const bool listed = found && cycle.sweep->vhosts()[*found].listed;
            last = listed ? cycle.sweep->vhosts()[*found].name : std::string_view{};
            vhost = found.value_or(0);
        }
        // A size hidden by a forged name counts as not seen, so it is read from the totals (find_split).
        if (last.empty() || !row.messages) {
            return;
        }
        core::Facts facts;
        facts.messages = row.messages;
        facts.ready = row.ready;
        facts.unacknowledged = row.unacknowledged;
        saw(cycle, vhost, core::text_of_name(row.name, cycle.arena), facts, SizeSource::metrics);
    };
    const auto unusable = core::for_each_queue_size(reply.body, use);
    if (!unusable) {
        note(cycle, unusable.error().kind, "metrics", unusable.error().detail);
        return false;
    }
    cycle.unusable += unusable.value();
    cycle.metrics->release(); // it is long, and other documents follow
    for (core::Vhost& each : cycle.sweep->vhosts()) {
        each.sized = each.listed;
    }
    return true;
}

void read_sizes(Fetching& f, std::uint32_t vhost) {
    Cycle& cycle = f.cycle;
    const std::string_view name = cycle.sweep->vhosts()[vhost].name;
    SizeSource source = SizeSource::totals;
    const auto use = [&](const core::QueueRow& row) { saw(cycle, vhost, row.name, facts_of(row), source); };
    // One stuck queue blocks the totals of its whole vhost; the slower and older statistics still come.
    Asked asked = read_queues(f, name, totals_query, false, use);
    if (asked == Asked::timed_out) {
        source = SizeSource::statistics;
        asked = read_queues(f, name, statistics_query, true, use);
    }
    if (asked == Asked::ok) {
        cycle.sweep->vhosts()[vhost].sized = true;
        cycle.sweep->vhosts()[vhost].totals = source == SizeSource::totals;
    } else {
        f.partial = true; // a vhost that is missing now existed a moment ago: the next cycle will be complete
    }
}

void read_names(Fetching& f, std::uint32_t vhost) {
    Cycle& cycle = f.cycle;
    const auto use = [&](const core::QueueRow& row) {
        cycle.sweep->saw_name(vhost, row.name, facts_of(row));
    };
    const Asked asked = read_queues(f, cycle.sweep->vhosts()[vhost].name, names_query, true, use);
    if (asked == Asked::ok) {
        cycle.sweep->vhosts()[vhost].named = true;
    } else {
        f.partial = true;
    }
}

// A vhost with known queues that the broker does not list: gone, or no longer visible to this user.
void read_unlisted(Fetching& f, std::uint32_t vhost) {
    Cycle& cycle = f.cycle;
    const auto ignore = [](const core::QueueRow&) {};
    const Asked asked = read_queues(f, cycle.sweep->vhosts()[vhost].name, names_query, true, ignore);
    cycle.sweep->vhosts()[vhost].gone = asked == Asked::missing;
    f.partial = f.partial || asked != Asked::missing;
}

template <class Wanted, class Read> void for_vhosts(Fetching& f, Wanted wanted, Read read) {
    for (std::uint32_t i = 0; i < f.cycle.sweep->vhosts().size(); ++i) {
        if (wanted(f.cycle.sweep->vhosts()[i])) {
            if (f.stop) {
                f.partial = true;
                return;
            }
            read(f, i);
        }
    }
}

// Requests a document that the sweep can do without. Null if there is nothing to read: a fault is noted,
// except that the queue is gone.
const net::Reply* ask_detail(Fetching& f, std::string_view url, std::string_view what) {
    if (url.empty()) {
        return nullptr;
    }
    const net::Reply& reply = ask(f, url, core::Expect::json);
    if (reply.kind == FaultKind::none) {
        return &reply;
    }
    f.stop = f.stop || ends_conversation(reply.kind);
    if (reply.kind != FaultKind::not_found) {
        note(f.cycle, reply.kind, what, reply.error);
    }
    return nullptr;
}

// Reads the size of one stream from the only listing that has it.
void read_stream(Fetching& f, const core::Sighting& stream) {
    Cycle& cycle = f.cycle;
    const std::string_view url =
        f.api.queue_url(cycle.sweep->vhost_of(stream), stream.name(), statistics_query);
    const net::Reply* reply = ask_detail(f, url, "a stream");
    if (reply == nullptr) {
        return;
    }
    // the decoder reads lists
    const std::size_t size = reply->body.size() + 2;
    auto* bytes = static_cast<char*>(cycle.arena->allocate(size + core::json_padding, 1));
    bytes[0] = '[';
    std::memcpy(bytes + 1, reply->body.data(), reply->body.size());
    bytes[size - 1] = ']';
    std::memset(bytes + size, 0, core::json_padding);
    const auto listing = core::read_queue_listing({{bytes, size}, core::json_padding}, cycle.arena);
    if (!listing) {
        note(cycle, listing.error().kind, "a stream", listing.error().detail);
        return;
    }
    for (const core::QueueRow& row : listing.value().rows) {
        if (row.name == stream.name()) {
            core::Facts facts = facts_of(row);
            facts.state = {}; // as totals reported it
            saw(cycle, stream.vhost(), stream.name(), facts, SizeSource::statistics);
        }
    }
}

void read_streams(Fetching& f) {
    const auto is_unsized = [](const core::Sighting& sighting) {
        if (sighting.seen_in() != SizeSource::totals) {
            return false;
        }
        const core::Facts seen = sighting.seen();
        return seen.type == "stream" && !seen.messages;
    };
    const auto& sightings = f.cycle.sweep->sightings();
    const auto streams =
        static_cast<std::size_t>(std::count_if(sightings.begin(), sightings.end(), is_unsized));
    if (streams == 0) {
        return;
    }
    // all of them, or a different part in each cycle
    std::size_t skip = streams > most_single_streams
                           ? static_cast<std::size_t>(f.cycle.past.cycle) * most_single_streams % streams
                           : 0;
    std::size_t left = std::min(streams, most_single_streams);
    for (int round = 0; round < 2 && left > 0; ++round) {
        for (const core::Sighting& sighting : sightings) {
            if (!is_unsized(sighting)) {
                continue;
            }
            if (skip > 0) {
                --skip;
                continue;
            }
            if (left == 0 || f.stop) {
                return;
            }
            --left;
            read_stream(f, sighting);
        }
    }
}

// The requested bindings in a listing that may have others, too.
std::span<const core::BindingRow> rows_of(std::span<const core::BindingRow> rows, std::string_view vhost,
                                          std::string_view queue, std::pmr::memory_resource* arena) {
    const auto wanted = [&](const core::BindingRow& row) {
        return (row.vhost.empty() || row.vhost == vhost) && (queue.empty() || row.destination == queue);
    };
    if (std::all_of(rows.begin(), rows.end(), wanted)) {
        return rows;
    }
    auto* kept = static_cast<core::BindingRow*>(
        arena->allocate(sizeof(core::BindingRow) * rows.size(), alignof(core::BindingRow)));
    auto* const end = std::copy_if(rows.begin(), rows.end(), kept, wanted);
    return {kept, end};
}

void read_bindings(Fetching& f, std::uint32_t vhost, std::string_view queue) {
    Cycle& cycle = f.cycle;
    const std::string_view name = cycle.sweep->vhosts()[vhost].name;
    std::string_view url =
        queue.empty() ? std::string_view{}
                      : f.api.queue_url(name, queue, join(cycle.arena, {"/bindings", bindings_query}));
    if (url.empty()) {
        url = listing_url(f, "bindings", name, bindings_query);
    }
    const net::Reply* reply = ask_detail(f, url, "bindings");
    if (reply == nullptr) {
        return;
    }
    const auto listing = core::read_binding_listing(reply->json(), cycle.arena);
    if (!listing) {
        note(cycle, listing.error().kind, "bindings", listing.error().detail);
        return;
    }
    cycle.bindings->push_back({vhost, queue, rows_of(listing.value().rows, name, queue, cycle.arena)});
}

bool is_new(const core::Sighting& sighting) noexcept {
    return sighting.named() && !sighting.live();
}

// Bindings change rarely: all of them are read every few minutes, and those of new queues at once. A fault
// here is noted, and affects nothing else.
void read_all_bindings(Fetching& f) {
    Cycle& cycle = f.cycle;
    cycle.all_bindings = cycle.past.bindings_at == 0 ||
                         cycle.began - cycle.past.bindings_at >= bindings_every ||
                         cycle.began < cycle.past.bindings_at;
    const auto& sightings = cycle.sweep->sightings();
    if (!cycle.all_bindings && std::none_of(sightings.begin(), sightings.end(), is_new)) {
        return;
    }
    for (std::uint32_t i = 0; i < cycle.sweep->vhosts().size() && !f.stop; ++i) {
        if (!cycle.sweep->vhosts()[i].listed) {
            continue;
        }
        std::size_t fresh = 0;
        for (const core::Sighting& sighting : sightings) {
            fresh += sighting.vhost() == i && is_new(sighting) ? 1 : 0;
        }
        if (cycle.all_bindings || fresh > most_single_bindings) {
            read_bindings(f, i, {});
        } else if (fresh > 0) {
            for (const core::Sighting& sighting : sightings) {
                if (sighting.vhost() == i && is_new(sighting) && !f.stop) {
                    read_bindings(f, i, sighting.name());
                }
            }
        }
    }
}

// The admins adopt users without an owner; without admins the list is not requested. Listing users takes an
// administrator, and a guardian that only watches should not be one, so a refusal is not a fault.
void read_users(Fetching& f) {
    Cycle& cycle = f.cycle;
    const bool due = cycle.past.users_at == 0 || cycle.began - cycle.past.users_at >= users_every ||
                     cycle.began < cycle.past.users_at;
    if (!due || f.stop || cycle.server->options.admins.empty()) {
        return;
    }
    const net::Reply& reply = ask(f, f.api.url({"users?columns=name"}), core::Expect::json);
    cycle.users_asked = !ends_conversation(reply.kind);
    if (reply.kind != FaultKind::none) {
        return;
    }
    const auto names = core::read_column(reply.json(), "name", cycle.arena);
    if (names) {
        cycle.users = names.value();
    }
}

void read_differing_names(Fetching& f) {
    Cycle& cycle = f.cycle;
    cycle.sweep->compare_names();
    cycle.all_names = cycle.past.names_at == 0 || cycle.began - cycle.past.names_at >= names_every ||
                      cycle.began < cycle.past.names_at;
    const bool all_names = cycle.all_names;
    for_vhosts(
        f, [all_names](const core::Vhost& v) { return v.listed && (v.differs || all_names); }, read_names);
}

void read_known_unlisted(Fetching& f) {
    Cycle& cycle = f.cycle;
    core::Sweep& sweep = *cycle.sweep;
    for (core::Vhost& vhost : sweep.vhosts()) {
        vhost.differs = false;
        vhost.watched = vhost.listed || watches(*cycle.server, vhost.name);
    }
    for (const core::Sighting& sighting : sweep.sightings()) {
        core::Vhost& vhost = sweep.vhosts()[sighting.vhost()];
        if (sighting.live() && !vhost.listed && !vhost.differs) {
            vhost.differs = vhost.watched;
        }
    }
    for_vhosts(
        f, [](const core::Vhost& v) { return !v.listed && v.differs; }, read_unlisted);
}

// Every broker has a vhost. If none is visible, the user lacks permissions; if none is watched, the pattern
// is wrong.
void note_no_vhost(Fetching& f) {
    f.partial = true;
    if (f.vhosts == 0) {
        note(f.cycle, FaultKind::unauthorized, "vhosts",
             "the broker shows no virtual host to this user, which needs permissions in them");
    } else {
        note(f.cycle, FaultKind::not_found, "vhosts",
             "no virtual host that the broker shows to this user matches the option vhosts");
    }
}

void sweep_over(Fetching& f) {
    Cycle& cycle = f.cycle;
    core::Sweep& sweep = *cycle.sweep;
    if (!read_vhosts(f)) {
        return;
    }
    const bool by_metrics = cycle.metrics != nullptr && read_metrics(f);
    if (by_metrics) {
        sweep.find_split();
        for_vhosts(
            f, [](const core::Vhost& v) { return v.listed && v.split; }, read_sizes);
    } else {
        for_vhosts(
            f, [](const core::Vhost& v) { return v.listed; }, read_sizes);
    }

    read_differing_names(f);
    if (by_metrics) {
        sweep.find_split(); // for names that the metrics lack
        for_vhosts(
            f, [](const core::Vhost& v) { return v.listed && v.split && !v.totals; }, read_sizes);
    }
    read_streams(f);

    read_known_unlisted(f);
    for (const core::Vhost& vhost : sweep.vhosts()) {
        cycle.reached = cycle.reached || vhost.sized || vhost.named || vhost.gone;
    }
    if (std::ranges::none_of(sweep.vhosts(), [](const core::Vhost& v) { return v.listed || v.differs; })) {
        note_no_vhost(f);
    }
    cycle.reached = cycle.reached || !f.partial; // the last known vhost may be gone now
    cycle.complete = !f.partial;
    if (cycle.reached) {
        read_all_bindings(f);
        read_users(f);
    }
    // Even if no virtual host is watched: what was begun in formerly watched ones must end.
    cycle.reached = cycle.reached || f.vhosts > 0;
}

} // namespace

void start_fetch(Cycle& cycle) {
    cycle.began = GetCurrentTimestamp();
    const core::ServerOptions& options = cycle.server->options;
    start(*cycle.http, *cycle.server, net::Method::get,
          Api(*cycle.server, cycle.arena).url({"vhosts?columns=name,cluster_state"}), core::Expect::json);
    if (cycle.metrics != nullptr) {
        start(*cycle.metrics, *cycle.server, net::Method::get,
              join(cycle.arena, {base_of(options.metrics_url, cycle.arena),
                                 "/metrics/detailed?family=queue_coarse_metrics"}),
              core::Expect::metrics);
    }
}

void fetch(Cycle& cycle) {
    Fetching f{cycle, Api(*cycle.server, cycle.arena)};
    sweep_over(f);
    cycle.http->release();
    if (cycle.metrics != nullptr) {
        cycle.metrics->abandon(); // may still be in progress if the list of vhosts failed
    }
}

} // namespace cloudsat::guardian
