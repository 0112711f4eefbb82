// Reported facts about a queue; see queue_facts.hpp.

#include "core/wire/queue_facts.hpp"

namespace cloudsat::core {
namespace {

template <class T> bool differ(const std::optional<T>& a, const std::optional<T>& b) noexcept {
    return a && b && *a != *b;
}
bool differ(std::string_view a, std::string_view b) noexcept {
    return !a.empty() && !b.empty() && a != b;
}

} // namespace

bool declared_differently(const Facts& before, const Facts& now) noexcept {
    return differ(before.type, now.type) || differ(before.durable, now.durable) ||
           differ(before.exclusive, now.exclusive) || differ(before.auto_delete, now.auto_delete) ||
           differ(before.arguments, now.arguments);
}

} // namespace cloudsat::core
