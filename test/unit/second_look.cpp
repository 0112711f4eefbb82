// The last look before a deletion, as a truth table.

#include "core/guardian/second_look.hpp"

#include <gtest/gtest.h>

namespace {

using namespace cloudsat::core;

SecondLook overgrown() {
    SecondLook look;
    look.presence = Presence::listed;
    look.enforce = true;
    look.seen.type = look.before.type = "classic";
    look.seen.durable = look.before.durable = true;
    look.seen.arguments = look.before.arguments = "{}";
    look.seen.state = "running";
    look.seen.messages = look.seen.ready = 9000;
    return look;
}

template <class Change> Resolution after(Change change) {
    SecondLook look = overgrown();
    change(look);
    return resolve(look);
}

TEST(SecondLook, StillOvergrownProceeds) {
    EXPECT_EQ(resolve(overgrown()).resolve, Resolve::proceed);
}

TEST(SecondLook, EachReasonWithdraws) {
    const Resolution found[] = {
        after([](SecondLook& l) { l.enforce = false; }),
        after([](SecondLook& l) { l.watched = false; }),
        after([](SecondLook& l) {
            l.limits.archive_size = 4000;
            l.archives = false;
        }),
        after([](SecondLook& l) { l.age = oldest_intention + 1; }),
        after([](SecondLook& l) { l.archive_resumes = true; }),
        after([](SecondLook& l) { l.delay = 1; }),
        after([](SecondLook& l) { l.belayed = true; }),
        after([](SecondLook& l) { l.limits.exempt = true; }),
        after([](SecondLook& l) { l.limits.unbounded = true; }),
        after([](SecondLook& l) { l.limits.delete_size = 9000; }),
        after([](SecondLook& l) { l.owner = Owner::reserved; }),
        after([](SecondLook& l) { l.presence = Presence::hidden; }),
        after([](SecondLook& l) { l.seen.type = "quorum"; }),
        after([](SecondLook& l) { l.seen.type = l.before.type = "stream"; }),
        after([](SecondLook& l) { l.seen.durable = false; }),
        after([](SecondLook& l) { l.seen.arguments = "{\"x-expires\": 1}"; }),
        after([](SecondLook& l) { l.seen.state = "down"; }),
        after([](SecondLook& l) { l.seen.state = "stopped"; }),
        after([](SecondLook& l) { l.seen.messages.reset(); }),
        after([](SecondLook& l) { l.seen.messages = 8000; }),
        after([](SecondLook& l) { l.seen.messages = 0; }),
        after([](SecondLook& l) {
            l.limits.basis = Basis::ready;
            l.seen.ready = 1;
        }),
    };
    for (const Resolution& resolution : found) {
        EXPECT_EQ(resolution.resolve, Resolve::withdraw);
        EXPECT_FALSE(resolution.reason.empty());
    }
}

TEST(SecondLook, AnHourIsStillYoungAndAnUntoldStateIsNoReason) {
    EXPECT_EQ(after([](SecondLook& l) { l.age = oldest_intention; }).resolve, Resolve::proceed);
    EXPECT_EQ(after([](SecondLook& l) { l.seen.state = ""; }).resolve, Resolve::proceed);
}

TEST(SecondLook, AbsentIsGoneWhateverElse) {
    EXPECT_EQ(after([](SecondLook& l) {
                  l.presence = Presence::absent;
                  l.enforce = false;
              }).resolve,
              Resolve::gone);
}

TEST(SecondLook, OutcomesOfARequest) {
    EXPECT_EQ(outcome_of(FaultKind::none), Outcome::deleted);
    for (FaultKind kind : {FaultKind::bad_request, FaultKind::unauthorized, FaultKind::forbidden,
                           FaultKind::server_error, FaultKind::unexpected_status, FaultKind::redirect}) {
        EXPECT_EQ(outcome_of(kind), Outcome::failed) << name_of(kind);
    }
    for (FaultKind kind : {FaultKind::timed_out, FaultKind::closed, FaultKind::truncated,
                           FaultKind::not_found, FaultKind::protocol, FaultKind::too_large}) {
        EXPECT_EQ(outcome_of(kind), Outcome::unknown) << name_of(kind);
    }
    for (FaultKind kind :
         {FaultKind::refused, FaultKind::unresolved, FaultKind::unreachable, FaultKind::tls}) {
        EXPECT_EQ(outcome_of(kind), Outcome::unsent) << name_of(kind);
    }
}

TEST(SecondLook, ANewConsumerWithdraws) {
    const auto consumed = [](auto change) {
        return after([&](SecondLook& l) {
            l.seen.consumers = 1;
            change(l);
        });
    };
    EXPECT_EQ(consumed([](SecondLook&) {}).resolve, Resolve::withdraw);
    EXPECT_EQ(consumed([](SecondLook&) {}).reason, "it has a new consumer");
    EXPECT_EQ(consumed([](SecondLook& l) { l.before.consumers = 0; }).resolve, Resolve::withdraw);
    EXPECT_EQ(consumed([](SecondLook& l) { l.before.consumers = 2; }).resolve, Resolve::proceed)
        << "not a new one";
    EXPECT_EQ(consumed([](SecondLook& l) { l.before.unacknowledged = 5; }).resolve, Resolve::proceed)
        << "somebody held messages before";
    EXPECT_EQ(consumed([](SecondLook& l) { l.seen.consumers = 0; }).resolve, Resolve::proceed);
}

} // namespace
