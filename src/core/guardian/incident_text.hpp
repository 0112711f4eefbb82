// What the guardian says on the board about a queue, in words for people. Pure; names of queues come from
// strangers and are printed so that they cannot pretend to be something else.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

struct Incident {
    std::string_view server;
    std::string_view vhost;
    std::string_view queue;
    std::optional<std::int64_t> size;
    Limits limits;
    bool stream = false;
    bool enforce = false;
};

// Each text lives in the arena.
bool never_deleted(const Incident& incident) noexcept;

// What will become of an overgrown queue at which size, and what keeps it from that; several lines.
std::string_view say_prospects(const Incident& incident, std::pmr::memory_resource* arena);

std::string_view say_warned(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_deletable(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_would_delete(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_archive_started(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_archive_full(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_archive_withheld(const Incident& incident, std::string_view reason,
                                      std::pmr::memory_resource* arena);
std::string_view say_archive_failed(const Incident& incident, std::string_view reason,
                                    std::pmr::memory_resource* arena);
std::string_view say_archived(const Incident& incident, std::int64_t messages,
                              std::pmr::memory_resource* arena);
std::string_view say_belayed(const Incident& incident, std::string_view by, std::pmr::memory_resource* arena);
std::string_view say_belay_ended(const Incident& incident, std::string_view by,
                                 std::pmr::memory_resource* arena);
std::string_view say_not_obeyed(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_recovered(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_deleted(const Incident& incident, std::pmr::memory_resource* arena);
std::string_view say_gone(const Incident& incident, std::string_view how, std::pmr::memory_resource* arena);
std::string_view say_failed(const Incident& incident, std::string_view reason,
                            std::pmr::memory_resource* arena);

// In double quotes; quotes, backslashes and what is invisible, ends a line or changes the direction of
// reading escaped.
std::string_view quoted(std::string_view name, std::pmr::memory_resource* arena);

// The same for mails, whose readers make links of what looks like one: no more than 120 bytes of it, and then
// "...". Dots, colons and at signs that anything but a blank follows stand in brackets: "evil[.]com".
constexpr std::size_t mail_name_size = 120;
std::string_view mail_name(std::string_view name, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
