// The doorbell, see doorbell.hpp.

#include "board/doorbell.hpp"

#include <algorithm>

#include "board/address.hpp"
#include "core/address.hpp"
#include "pg/compat.hpp"
#include "pg/settings.hpp"
#include "pg/wait.hpp"

extern "C" {
#include "commands/async.h"
}

namespace cloudsat::board {
namespace {

constexpr long longest_wait = 1000; // milliseconds: a ring may be lost

} // namespace

void doorbell_watch(std::span<const Datum>) {}

void doorbell_wait(long milliseconds) {
    static uint32 event = 0;
    if (event == 0) {
        event = CLOUDSAT_WAIT_EVENT("CloudsatReceive");
    }
    pg::wait(-1, std::clamp(milliseconds, 0L, longest_wait), event);
}

void doorbell_leave() {}

void doorbell_ring(Datum chan, const core::Uuid& uuid) {
    if (pg::settings().notify != static_cast<int>(pg::Notify::inline_)) {
        return;
    }
    const core::ChannelName name = core::channel(address_view(chan));
    char channel[core::max_channel_size + 1] = {};
    name.view().copy(channel, core::max_channel_size);
    const core::UuidText text = core::print(uuid);
    char payload[text.size() + 1] = {};
    std::copy(text.begin(), text.end(), payload);
    Async_Notify(channel, payload); // keeps it until the commit
}

} // namespace cloudsat::board
