// Belay; see belay.hpp.

#include "guardian/belay.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "board/address.hpp"
#include "board/disposition.hpp"
#include "board/settings.hpp"
#include "board/speech_reader.hpp"
#include "board/uuid.hpp"
#include "core/board/address.hpp"
#include "core/guardian/server_options.hpp"
#include "guardian/columns.hpp"
#include "guardian/incident.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// OFFSET 0 keeps the threads apart, so that each is an index scan on the key of account_owners.
pg::Statement mapped_owners(R"(
    SELECT n.i, a.owner::text
    FROM unnest($2) WITH ORDINALITY AS n(owner, i)
    CROSS JOIN LATERAL (SELECT o.owner FROM cloudsat.account_owners AS o
        WHERE o.server = $1
          AND o.username = n.owner
        OFFSET 0) AS a
    ORDER BY n.i)",
                            {TEXTOID, TEXTARRAYOID});

// Limits of messages by outsiders and by the guardian that are read per thread; further ones are ignored.
constexpr int most_strangers = 16;
constexpr int most_answers = 200;
constexpr int most_lately = 100; // messages of one outsider since the last poll
constexpr int any_number = std::numeric_limits<int>::max();

core::Uuid uuid_of(const pg_uuid_t& uuid) {
    core::Uuid result;
    std::memcpy(result.bytes.data(), uuid.data, sizeof uuid.data);
    return result;
}
pg_uuid_t uuid_of(const core::Uuid& uuid) {
    pg_uuid_t result;
    std::memcpy(result.data, uuid.bytes.data(), sizeof result.data);
    return result;
}

// Replies have later uuids than their parents unless the clock was set back: allows for a day.
core::Uuid day_before(const pg_uuid_t& uuid) {
    constexpr std::uint64_t day_ms = 24 * 60 * 60 * 1000;
    std::uint64_t ms = 0;
    for (int i = 0; i < 6; ++i) {
        ms = ms << 8U | uuid.data[i];
    }
    ms -= ms < day_ms ? ms : day_ms;
    core::Uuid result;
    for (std::size_t i = 6; i-- > 0;) {
        result.bytes[i] = static_cast<std::uint8_t>(ms);
        ms >>= 8U;
    }
    return result;
}

// Addresses entitled to reply in a thread.
struct Voices {
    Datum* list = nullptr;
    int count = 0, capacity = 0;

    void add(std::string_view text) {
        const auto address = core::parse_address(text);
        if (!address) {
            return;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 4 : capacity * 2;
            const Size size = sizeof(Datum) * static_cast<Size>(capacity);
            list = static_cast<Datum*>(list == nullptr ? palloc(size) : repalloc(list, size));
        }
        list[count++] = board::address_datum(address.value().view());
    }
    bool have(core::AddressView address) const {
        return std::any_of(list, list + count,
                           [address](Datum one) { return board::address_view(one) == address; });
    }
};
static_assert(pg::Plain<Voices>);

// The owners by account_owners, or else the mailbox that the name is; and the admins, who come first.
std::span<Voices> voices_in(const Server& server, std::span<const OpenThread> threads) {
    auto* list = static_cast<Voices*>(palloc_extended(sizeof(Voices) * threads.size(), MCXT_ALLOC_HUGE));
    const std::span<Voices> result(new (list) Voices[threads.size()], threads.size());
    Column owners;
    for (const OpenThread& thread : threads) {
        owners.add_told(thread.owner);
    }
    const Datum values[] = {pg::to_text(server.name), owners.array(TEXTOID)};
    const uint64 rows = mapped_owners.run(values);
    for (uint64 row = 0; row < rows; ++row) {
        bool isnull = false;
        const auto index = static_cast<std::size_t>(DatumGetInt64(pg::spi_value(row, 1, isnull)) - 1);
        result[index].add(pg::view(pg::spi_value(row, 2, isnull)));
    }
    for (std::size_t i = 0; i < threads.size(); ++i) {
        if (result[i].count == 0 && !threads[i].owner.empty()) {
            result[i].add(as_mailbox(threads[i].owner));
        }
        std::string_view admins = server.options.admins;
        while (const auto admin = core::next_item(admins)) {
            result[i].add(*admin);
        }
    }
    return result;
}

core::Disposition disposition_of(const board::MessageRow& row) {
    return board::disposition_value(row.value(board::Field::disposition));
}
bool is_word(const board::MessageRow& row, void* /*context*/) {
    const core::Disposition disposition = disposition_of(row);
    return disposition == core::Disposition::belay || disposition == core::Disposition::end;
}
// A reply at the maximum depth cannot be answered.
bool has_room(const board::MessageRow& row) {
    return DatumGetInt32(row.value(board::Field::depth)) < board::settings().max_thread_depth;
}
bool is_belay_with_room(const board::MessageRow& row, void* /*context*/) {
    return disposition_of(row) == core::Disposition::belay && has_room(row);
}

std::string_view text_of(core::AddressView address) {
    const core::AddressText text = core::print(address);
    return {pnstrdup(text.view().data(), text.size()), text.size()};
}

void read_word(OpenThread& thread, const board::MessageRow& row) {
    thread.spoken = true;
    thread.word = board::from_datum(row.value(board::Field::uuid));
    thread.reply = has_room(row) ? uuid_of(thread.word) : thread.incident;
    thread.by = text_of(board::address_view(row.value(board::Field::poster)));
    thread.at = DatumGetTimestampTz(row.value(board::Field::timestamp));
    thread.belay = disposition_of(row) == core::Disposition::belay;
}

// Looks for an answer of the guardian to a message of this outsider.
struct Told {
    board::SpeechReader* parents;
    core::AddressView stranger;
    int seen;
};
bool tells(const board::MessageRow& row, void* context) {
    auto& told = *static_cast<Told*>(context);
    ++told.seen;
    if (board::address_view(row.value(board::Field::chan)) != told.stranger) {
        return false;
    }
    const auto place = told.parents->find(row.value(board::Field::before));
    return place &&
           board::address_view(told.parents->fetch(*place).value(board::Field::poster)) == told.stranger;
}

bool is_told(board::SpeechReader& reader, Datum guardian, core::AddressView stranger) {
    Told told{.parents = &reader, .stranger = stranger, .seen = 0};
    return reader.newest(guardian, most_answers, tells, &told) || told.seen >= most_answers;
}

} // namespace

void listen(const Server& server, std::span<OpenThread> threads) {
    if (threads.empty()) {
        return;
    }
    const std::span<Voices> voices = voices_in(server, threads);
    const core::Address guardian = board::require_address(server.options.address);
    board::SpeechReader reader;
    reader.open_now();
    for (std::size_t i = 0; i < threads.size(); ++i) {
        OpenThread& thread = threads[i];
        reader.in_thread(uuid_of(thread.incident), day_before(thread.incident));
        for (const Datum voice : std::span(voices[i].list, static_cast<std::size_t>(voices[i].count))) {
            if (board::address_view(voice) == guardian.view()) {
                continue;
            }
            const auto row = reader.newest(voice, any_number, is_word, nullptr);
            if (row && (!thread.spoken || board::from_datum(row->value(board::Field::uuid)) > thread.word)) {
                read_word(thread, *row);
            }
        }
    }
    reader.close_now();
}

std::span<const UnheardBelay> listen_to_strangers(const Server& server, std::span<const OpenThread> threads,
                                                  TimestampTz since) {
    const std::optional<core::Uuid> lately = board::uuid_floor_of(since);
    if (threads.empty() || !lately) {
        return {};
    }
    const std::span<Voices> voices = voices_in(server, threads);
    const core::Address guardian = board::require_address(server.options.address);
    const Datum speaker = board::address_datum(guardian.view());
    auto* list = static_cast<UnheardBelay*>(
        palloc_extended(sizeof(UnheardBelay) * threads.size() * most_strangers, MCXT_ALLOC_HUGE));
    std::size_t unheard = 0;
    board::SpeechReader reader;
    reader.open_now();
    for (std::size_t i = 0; i < threads.size(); ++i) {
        const core::Uuid root = uuid_of(threads[i].incident);
        reader.in_thread(root, *lately);
        std::optional<core::Address> poster = reader.next_poster(nullptr);
        for (int strangers = 0; poster && strangers < most_strangers; poster = reader.next_poster(&*poster)) {
            if (poster->view() == guardian.view() || voices[i].have(poster->view())) {
                continue;
            }
            ++strangers;
            const Datum stranger = board::address_datum(poster->view());
            const auto row = reader.newest(stranger, most_lately, is_belay_with_room, nullptr);
            if (!row) {
                continue;
            }
            const pg_uuid_t reply = uuid_of(board::from_datum(row->value(board::Field::uuid)));
            reader.in_thread(root, day_before(threads[i].incident));
            if (!is_told(reader, speaker, poster->view())) {
                new (&list[unheard++]) UnheardBelay{i, reply, text_of(poster->view())};
            }
            reader.in_thread(root, *lately);
        }
    }
    reader.close_now();
    return {list, unheard};
}

bool is_belayed(const Server& server, OpenThread thread) {
    listen(server, {&thread, 1});
    return thread.is_belayed();
}

void answer(const Server& server, const OpenThread& thread, std::string_view text) {
    const Addresses warned = warned_in(thread.incident);
    reply_to(server, thread.reply, thread.by, core::Disposition::info, text);
    for (const std::string_view address : warned) {
        if (address != thread.by) {
            reply_to(server, thread.reply, address, core::Disposition::info, text);
        }
    }
}

} // namespace cloudsat::guardian
