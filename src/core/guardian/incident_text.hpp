// The guardian's texts on the board about a queue, for people. Pure. Names of queues come from untrusted
// clients and are escaped so that they cannot imitate other text.
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

// The texts live in the arena.
bool never_deleted(const Incident& incident) noexcept;

// What happens to an overgrown queue at which size, and how to prevent it; several lines.
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

// In double quotes. Escapes quotes, backslashes, and characters that are invisible, end a line or change the
// reading direction.
std::string_view quoted(std::string_view name, std::pmr::memory_resource* arena);

// The same for mail, where readers turn names into links: at most 120 bytes, then "...". Dots, colons and at
// signs are in brackets unless a blank follows: "evil[.]com".
constexpr std::size_t mail_name_size = 120;
std::string_view mail_name(std::string_view name, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
