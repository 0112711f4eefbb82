// Decodes queue_coarse_metrics; see queue_metrics.hpp, which also explains why the document is untrusted.
#include "core/wire/queue_metrics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <functional>
#include <simdjson.h>
#include <string>
#include <vector>

namespace cloudsat::core {
namespace {

enum class Family : std::uint8_t { ready, unacknowledged, messages };
constexpr std::size_t family_count = 3;

constexpr std::array<std::string_view, family_count> family_names{
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_messages_unacked",
    "rabbitmq_detailed_queue_messages",
};

// Common prefix of the families in use; samples of other families are skipped without parsing.
constexpr std::string_view common_prefix = "rabbitmq_detailed_queue_messages";

constexpr std::size_t max_label_size = 255;

constexpr bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

// The family of a sample or an announcement, which begins with its name. Comparing with three names is faster
// than searching for the end of the name.
std::optional<Family> family_of(std::string_view line) noexcept {
    for (std::size_t i = 0; i < family_count; ++i) {
        const auto name = family_names[i];
        if (line.starts_with(name) && (line.size() == name.size() || !is_name_character(line[name.size()]))) {
            return static_cast<Family>(i);
        }
    }
    return std::nullopt;
}

// Parses one line from left to right. Each step returns whether it succeeded.
class Cursor {
public:
    explicit Cursor(std::string_view line) noexcept : rest_(line) {}

    bool at_end() const noexcept { return rest_.empty(); }

    bool take(char c) noexcept {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    void skip_blanks() noexcept {
        while (take(' ') || take('\t')) {
        }
    }

    // The name of a label; empty if there is none.
    std::string_view name() noexcept {
        std::size_t n = 0;
        while (n < rest_.size() && is_name_character(rest_[n])) {
            ++n;
        }
        return cut(n);
    }

    // The text up to the next blank.
    std::string_view word() noexcept { return cut(std::min(rest_.find_first_of(" \t"), rest_.size())); }

    // A label value after its opening quote, including the closing quote; still escaped. Nothing if it is
    // unterminated.
    std::optional<std::string_view> quoted() noexcept {
        // Names hardly ever contain a backslash: then the first quote is the closing one.
        const auto quote = rest_.find('"');
        if (quote == std::string_view::npos) {
            return std::nullopt;
        }
        if (rest_.substr(0, quote).find('\\') == std::string_view::npos) {
            const auto value = cut(quote);
            rest_.remove_prefix(1);
            return value;
        }
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            if (rest_[i] == '\\') {
                ++i;
            } else if (rest_[i] == '"') {
                const auto value = cut(i);
                rest_.remove_prefix(1);
                return value;
            }
        }
        return std::nullopt;
    }

private:
    std::string_view cut(std::size_t n) noexcept {
        const auto piece = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return piece;
    }

    std::string_view rest_;
};

struct Sample {
    Family family{};
    std::string_view vhost, queue; // still escaped
    std::optional<std::int64_t> count;
};

// The value of a sample as a count. Parsing fails unless the text is a number; it need not be a count.
bool read_number(std::string_view text, std::optional<std::int64_t>& count) noexcept {
    const auto end = text.data() + text.size();
    std::int64_t whole = 0;
    if (const auto result = std::from_chars(text.data(), end, whole);
        result.ec == std::errc{} && result.ptr == end) {
        if (whole >= 0) {
            count = whole;
        }
        return true;
    }
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) {
            return false;
        }
    }
    double real = 0;
    const auto result = std::from_chars(text.data(), end, real); // also accepts Inf and NaN
    if (result.ec == std::errc::result_out_of_range) {
        return result.ptr == end;
    }
    if (result.ec != std::errc{} || result.ptr != end) {
        return false;
    }
    constexpr double beyond_exact = 9007199254740992.0; // 2^53: a larger double is not an exact integer
    if (real >= 0 && real <= beyond_exact && std::floor(real) == real) {
        count = static_cast<std::int64_t>(real);
    }
    return true;
}

bool read_label(Cursor& cursor, Sample& sample) noexcept {
    const auto name = cursor.name();
    if (name.empty() || !cursor.take('=') || !cursor.take('"')) {
        return false;
    }
    const auto value = cursor.quoted();
    if (!value) {
        return false;
    }
    // A second label of the same name is invalid; here it would be an attempt to assign a number to another
    // queue.
    auto* const known = name == "vhost" ? &sample.vhost : name == "queue" ? &sample.queue : nullptr;
    if (known == nullptr) {
        return true;
    }
    if (known->data() != nullptr) {
        return false;
    }
    *known = *value;
    return true;
}

bool read_labels(Cursor& cursor, Sample& sample) noexcept {
    if (!cursor.take('{')) {
        return false;
    }
    do {
        if (!read_label(cursor, sample)) {
            return false;
        }
    } while (cursor.take(','));
    return cursor.take('}') && sample.vhost.data() != nullptr && sample.queue.data() != nullptr;
}

// labels value [timestamp]
bool read_rest(Cursor& cursor, Sample& sample) noexcept {
    if (!read_labels(cursor, sample)) {
        return false;
    }
    cursor.skip_blanks();
    if (!read_number(cursor.word(), sample.count)) {
        return false;
    }
    cursor.skip_blanks();
    std::optional<std::int64_t> timestamp;
    if (!cursor.at_end() && !read_number(cursor.word(), timestamp)) {
        return false;
    }
    cursor.skip_blanks();
    return cursor.at_end();
}

// Whether every backslash begins one of \\, \" and
// . Otherwise the value was not escaped.
bool is_escaped(std::string_view text) noexcept {
    for (auto at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at + 2)) {
        const char next = at + 1 < text.size() ? text[at + 1] : '\0';
        if (next != '\\' && next != '"' && next != 'n') {
            return false;
        }
    }
    return true;
}

// Reverts the three escapes.
void unescape(std::string_view text, std::string& plain) {
    plain.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '\\' && i + 1 < text.size();
        if (escape) {
            ++i;
        }
        plain += escape && text[i] == 'n' ? '\n' : text[i];
    }
}

bool is_usable(std::string_view text) noexcept {
    return !text.empty() && text.size() <= max_label_size &&
           simdjson::validate_utf8(text.data(), text.size());
}

// The labels of a queue as in the document: escaped, and as views of it.
struct Key {
    std::string_view vhost, queue;
    bool operator==(const Key&) const = default;
};

std::size_t hash_of(const Key& key) noexcept {
    const std::hash<std::string_view> hash;
    return hash(key.queue) * 31 + hash(key.vhost);
}

// Small: a broker may have a hundred thousand queues.
struct Entry {
    Key key;
    std::array<std::int64_t, family_count> counts{absent, absent, absent};
    std::array<bool, family_count> seen{};
    bool twice = false; // named twice within one family: its size is unreliable

    static constexpr std::int64_t absent = -1;
    std::optional<std::int64_t> count(Family family) const noexcept {
        const auto value = counts[static_cast<std::size_t>(family)];
        return twice || value == absent ? std::nullopt : std::optional(value);
    }
};

// All queues of the document. The broker lists them in the same order in each family, so the next entry is
// nearly always the right one, and the index is searched only otherwise.
class Table {
public:
    Entry& entry(const Key& key) {
        if (next_ < entries_.size() && entries_[next_].key == key) {
            return entries_[next_++];
        }
        if ((entries_.size() + 1) * 2 > slots_.size()) {
            grow();
        }
        std::uint32_t& slot = slots_[place_of(key)];
        if (slot == 0) {
            entries_.push_back({.key = key});
            slot = static_cast<std::uint32_t>(entries_.size());
        }
        next_ = slot;
        return entries_[slot - 1];
    }

    void begin_family() noexcept { next_ = 0; }

    const std::deque<Entry>& entries() const noexcept { return entries_; }

private:
    // the slot of that key, or the free one for it
    std::size_t place_of(const Key& key) const noexcept {
        std::size_t place = hash_of(key) & (slots_.size() - 1);
        while (slots_[place] != 0 && !(entries_[slots_[place] - 1].key == key)) {
            place = (place + 1) & (slots_.size() - 1);
        }
        return place;
    }

    void grow() {
        constexpr std::size_t first = 1024;
        slots_.assign(std::max(slots_.size() * 2, first), 0);
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            slots_[place_of(entries_[i].key)] = static_cast<std::uint32_t>(i + 1);
        }
    }

    std::deque<Entry> entries_;
    std::vector<std::uint32_t> slots_; // open addressing: index into entries_, plus 1; 0 is free
    std::size_t next_ = 0;
};

class Reader {
public:
    void read(std::string_view text) {
        while (!text.empty()) {
            const auto end = text.find('\n'); // never npos: the text ends with a newline
            read_line(text.substr(0, end));
            text.remove_prefix(end + 1);
        }
    }

    bool has_all_families() const noexcept {
        return std::all_of(announced_.begin(), announced_.end(), std::identity{});
    }

    // Calls `use` for each queue; returns the number of skipped ones.
    std::size_t tell(const SizesUse& use) const {
        std::size_t unusable = unreadable_;
        for (const auto& entry : table_.entries()) {
            const bool told = tell(entry, use);
            unusable += !told || entry.twice ? 1 : 0;
        }
        return unusable;
    }

private:
    void read_line(std::string_view line) {
        if (line.starts_with(common_prefix)) {
            read_sample(line);
        } else if (line.starts_with("# TYPE ")) {
            read_announcement(line.substr(7));
        }
        // Comments and other families are skipped: nothing in them is used.
    }

    void read_announcement(std::string_view rest) noexcept {
        if (const auto family = family_of(rest)) {
            announced_[static_cast<std::size_t>(*family)] = true;
            table_.begin_family();
        }
    }

    void read_sample(std::string_view line) {
        const auto family = family_of(line);
        if (!family) {
            return;
        }
        Cursor cursor(line.substr(family_names[static_cast<std::size_t>(*family)].size()));
        Sample sample{.family = *family, .vhost = {}, .queue = {}, .count = {}};
        if (read_rest(cursor, sample)) {
            note(sample);
        } else {
            ++unreadable_;
        }
    }

    void note(const Sample& sample) {
        const auto i = static_cast<std::size_t>(sample.family);
        auto& entry = table_.entry({sample.vhost, sample.queue});
        entry.twice = entry.twice || entry.seen[i];
        entry.seen[i] = true;
        entry.counts[i] = sample.count.value_or(Entry::absent);
        has_false_escape_ = has_false_escape_ || !is_escaped(sample.vhost) || !is_escaped(sample.queue);
    }

    // Whether this document escapes its label values, as far as can be seen.
    bool is_escaping() const noexcept { return unreadable_ == 0 && !has_false_escape_; }

    // The label without escapes; nothing if that is ambiguous. `room` holds the text if it differs from the
    // label.
    std::optional<std::string_view> plain(std::string_view label, std::string& room) const {
        if (label.find('\\') != std::string_view::npos) {
            if (!is_escaping()) {
                return std::nullopt; // one of two names, and impossible to tell which
            }
            unescape(label, room);
            label = room;
        }
        return is_usable(label) ? std::optional(label) : std::nullopt;
    }

    bool tell(const Entry& entry, const SizesUse& use) const {
        std::string vhost_room, name_room;
        const auto vhost = plain(entry.key.vhost, vhost_room);
        const auto name = plain(entry.key.queue, name_room);
        if (!vhost || !name) {
            return false;
        }
        use({.vhost = *vhost,
             .name = *name,
             .messages = entry.count(Family::messages),
             .ready = entry.count(Family::ready),
             .unacknowledged = entry.count(Family::unacknowledged)});
        return true;
    }

    Table table_;
    std::array<bool, family_count> announced_{};
    std::size_t unreadable_ = 0;
    bool has_false_escape_ = false;
};

} // namespace

Result<std::size_t, DecodeFault> for_each_queue_size(std::string_view text, const SizesUse& use) {
    if (text.empty()) {
        return DecodeFault{FaultKind::not_metrics, "the answer is empty"};
    }
    if (text.back() != '\n') {
        return DecodeFault{FaultKind::truncated, "the metrics end in the middle of a line"};
    }
    Reader reader;
    reader.read(text);
    if (!reader.has_all_families()) {
        return DecodeFault{FaultKind::not_metrics,
                           "the answer does not contain the queue_coarse_metrics family"};
    }
    return reader.tell(use);
}

} // namespace cloudsat::core
