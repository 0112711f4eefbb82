// Result<T, E>: a value, or the reason for its absence. Pure code returns it instead of throwing. It is
// trivially destructible if T and E are, so glue may keep one across a call into the server.
#pragma once

#include <utility>
#include <variant>

namespace cloudsat::core {

template <class T, class E> class Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const noexcept { return state_.index() == 0; }

    // Only after a successful test; otherwise undefined behaviour.
    T& value() & noexcept { return *std::get_if<0>(&state_); }
    const T& value() const& noexcept { return *std::get_if<0>(&state_); }
    T&& value() && noexcept { return std::move(*std::get_if<0>(&state_)); }
    const E& error() const noexcept { return *std::get_if<1>(&state_); }

private:
    std::variant<T, E> state_;
};

} // namespace cloudsat::core
