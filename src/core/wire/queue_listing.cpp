// Decodes queue listings; see queue_listing.hpp.
#include "core/wire/queue_listing.hpp"

#include "core/wire/broker_name.hpp"
#include "core/wire/json.hpp"

#include <array>
#include <new>

namespace cloudsat::core {
namespace {

// The values of one row, as views of the parsed document.
struct RawRow {
    std::optional<std::string_view> name;
    QueueRow row;
    std::optional<dom::element> arguments;
};

template <auto Member> void read_text(RawRow& raw, const dom::element& value) noexcept {
    raw.row.*Member = string_in(value).value_or("");
}
template <auto Member> void read_flag(RawRow& raw, const dom::element& value) noexcept {
    raw.row.*Member = bool_in(value);
}
template <auto Member> void read_count(RawRow& raw, const dom::element& value) noexcept {
    raw.row.*Member = count_in(value);
}
void read_name(RawRow& raw, const dom::element& value) noexcept {
    raw.name = string_in(value);
}
void read_arguments(RawRow& raw, const dom::element& value) noexcept {
    raw.arguments = value.is_object() ? std::optional(value) : std::nullopt;
}

struct Field {
    std::string_view key;
    void (*read)(RawRow&, const dom::element&) noexcept;
};
constexpr std::array fields{
    Field{"name", read_name},
    Field{"vhost", read_text<&QueueRow::vhost>},
    Field{"type", read_text<&QueueRow::type>},
    Field{"state", read_text<&QueueRow::state>},
    Field{"durable", read_flag<&QueueRow::durable>},
    Field{"exclusive", read_flag<&QueueRow::exclusive>},
    Field{"auto_delete", read_flag<&QueueRow::auto_delete>},
    Field{"messages", read_count<&QueueRow::messages>},
    Field{"messages_ready", read_count<&QueueRow::ready>},
    Field{"messages_unacknowledged", read_count<&QueueRow::unacknowledged>},
    Field{"consumers", read_count<&QueueRow::consumers>},
    Field{"memory", read_count<&QueueRow::memory>},
    Field{"arguments", read_arguments},
};

// A full row has some sixty keys, most of a different length than ours, so a linear search is cheap.
void read_field(RawRow& raw, std::string_view key, const dom::element& value) noexcept {
    for (const Field& field : fields) {
        if (field.key == key) {
            field.read(raw, value);
            return;
        }
    }
}

// A stopped vhost lists its queues with the names of their Erlang modules (measured on RabbitMQ 3.10).
std::string_view plain_type(std::string_view type) noexcept {
    if (type == "rabbit_classic_queue") {
        return "classic";
    }
    if (type == "rabbit_quorum_queue") {
        return "quorum";
    }
    if (type == "rabbit_stream_queue") {
        return "stream";
    }
    return type;
}

// Types and states repeat from row to row: copies the text only if it differs from the previous row.
class Repeating {
public:
    std::string_view keep(std::pmr::memory_resource* arena, std::string_view text) {
        if (text.empty()) {
            return {};
        }
        if (text != last_) {
            last_ = copy_text(arena, text);
        }
        return last_;
    }

private:
    std::string_view last_;
};

DecodeFault read_row(const dom::element& element, RawRow& raw) noexcept {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) {
        return {FaultKind::wrong_shape, "a row of the queue listing is not an object"};
    }
    for (const dom::key_value_pair field : object) {
        read_field(raw, field.key, field.value);
    }
    if (!raw.name) {
        return {FaultKind::wrong_shape, "a row of the queue listing has no name"};
    }
    raw.row.type = plain_type(raw.row.type);
    return {};
}

bool is_usable(const RawRow& raw) noexcept {
    return !raw.name->empty() && raw.name->size() <= max_name_size && raw.row.vhost.size() <= max_name_size &&
           is_usable_text(raw.row.type) && is_usable_text(raw.row.state);
}

class Keeper {
public:
    explicit Keeper(std::pmr::memory_resource* arena) noexcept : arena_(arena) {}

    QueueRow keep(const RawRow& raw) {
        QueueRow row = raw.row;
        row.name = copy_text(arena_, text_of_name(*raw.name, arena_));
        row.vhost = vhost_.keep(arena_, text_of_name(row.vhost, arena_));
        row.type = type_.keep(arena_, row.type);
        row.state = state_.keep(arena_, row.state);
        row.arguments = raw.arguments ? render_json(arena_, *raw.arguments) : std::string_view{};
        return row;
    }

private:
    std::pmr::memory_resource* arena_;
    Repeating vhost_, type_, state_;
};

struct Count {
    std::size_t usable = 0, unusable = 0;
};

// Whether the document is complete, valid and a listing; and the number of its rows.
Result<Count, DecodeFault> check(JsonText text) {
    Count count;
    const auto fault = for_each_row(text, [&](const dom::element& element) {
        RawRow raw;
        const auto wrong = read_row(element, raw);
        if (wrong.kind == FaultKind::none) {
            ++(is_usable(raw) ? count.usable : count.unusable);
        }
        return wrong;
    });
    if (fault.kind != FaultKind::none) {
        return fault;
    }
    return count;
}

// For a checked document: calls use(RawRow&) for each usable row.
template <class Use> void use_rows(JsonText text, Use use) {
    for_each_row(text, [&](const dom::element& element) {
        RawRow raw;
        const auto fault = read_row(element, raw);
        if (fault.kind == FaultKind::none && is_usable(raw)) {
            use(raw);
        }
        return fault;
    });
}

} // namespace

Result<QueueListing, DecodeFault> read_queue_listing(JsonText text, std::pmr::memory_resource* arena) {
    const auto count = check(text);
    if (!count) {
        return count.error();
    }
    const auto room = make_rows<QueueRow>(arena, count.value().usable);
    Keeper keeper(arena);
    std::size_t n = 0;
    use_rows(text, [&](const RawRow& raw) { new (&room[n++]) QueueRow(keeper.keep(raw)); });
    return QueueListing{room, count.value().unusable};
}

Result<std::size_t, DecodeFault> for_each_queue(JsonText text, const QueueUse& use) {
    const auto count = check(text);
    if (!count) {
        return count.error();
    }
    std::array<std::byte, 4096> room;
    std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
    use_rows(text, [&](RawRow& raw) {
        raw.row.name = text_of_name(*raw.name, &arena);
        raw.row.vhost = text_of_name(raw.row.vhost, &arena);
        if (raw.arguments) {
            raw.row.arguments = render_json(&arena, *raw.arguments);
        }
        use(raw.row);
        arena.release();
    });
    return count.value().unusable;
}

} // namespace cloudsat::core
