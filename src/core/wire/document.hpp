// Input and output of the decoders: the text of a document, and a callback for its rows.
#pragma once

#include <cstddef>
#include <string_view>

namespace cloudsat::core {

// simdjson reads up to this many bytes beyond the end of a text. core/wire/json.cpp asserts that this is
// enough.
inline constexpr std::size_t json_padding = 64;

// With json_padding bytes of slack, the text is parsed in place; with less, it is copied first.
struct JsonText {
    std::string_view text;
    std::size_t slack = 0;
};

// A callback for a row, whose texts live until it returns. A lambda by reference.
template <class Row> class RowUse {
public:
    template <class Use>
    RowUse(const Use& use) noexcept // NOLINT(google-explicit-constructor)
        : object_(&use),
          call_([](const void* object, const Row& row) { (*static_cast<const Use*>(object))(row); }) {}
    void operator()(const Row& row) const { call_(object_, row); }

private:
    const void* object_;
    void (*call_)(const void*, const Row&);
};

} // namespace cloudsat::core
