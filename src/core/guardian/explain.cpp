// Rows that explain a queue; see explain.hpp.

#include "core/guardian/explain.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/text_writer.hpp"
#include "core/guardian/incident_text.hpp"
#include "core/guardian/prospect.hpp"
#include "core/guardian/second_look.hpp"
#include "core/wire/broker_name.hpp"

namespace cloudsat::core {
namespace {

constexpr std::string_view nothing = "nothing";

// A sentence made of clauses.
class Clauses {
public:
    explicit Clauses(std::pmr::memory_resource* arena) : out_(arena) {}
    TextWriter& more() {
        if (any_) {
            out_.put("; ");
        }
        any_ = true;
        return out_;
    }
    std::string_view keep(std::pmr::memory_resource* arena) const { return out_.keep(arena); }

private:
    TextWriter out_;
    bool any_ = false;
};

class Explainer {
public:
    Explainer(const QueueCase& queue, std::pmr::memory_resource* arena)
        : q_(queue),
          arena_(arena), sample_{.messages =
                                     queue.source == SizeSource::none ? std::nullopt : queue.facts.messages,
                                 .ready = queue.source == SizeSource::none ? std::nullopt : queue.facts.ready,
                                 .liveness = liveness_of(queue.facts.state),
                                 .stream = queue.facts.type == "stream",
                                 .archived = queue.in_archive},
          now_(judge(queue.standing, sample_, queue.limits, queue.owner, queue.circumstances)) {}

    Explanation explain() {
        say_queue();
        say_broker();
        say_owner();
        say_mail();
        say_policy();
        say_limits();
        if (q_.record == Record::there) {
            say_size();
            say_level();
            say_belay();
            say_growth();
            say_archive();
            say_deletion();
        }
        say_next_poll();
        say_prospect();
        return result_;
    }

private:
    TextWriter text() const { return TextWriter(arena_); }
    std::string_view number(std::int64_t value) const { return text().put(value).keep(arena_); }

    void add(std::string_view item, std::optional<std::string_view> value, std::string_view detail = {}) {
        if (result_.count < result_.list.size()) {
            result_.list[result_.count++] = {item, value, detail};
        }
    }

    std::string_view reason(Blocker blocker) const {
        return blocker == Blocker::not_enforced ? q_.why_not : reason_of(blocker);
    }

    // --- the queue

    void say_queue() {
        Clauses detail(arena_);
        switch (q_.record) {
        case Record::none:
            add("queue", "unknown", "no poll has seen it; these rules would apply to it");
            return;
        case Record::gone:
            detail.more().put("since ").put(q_.gone_at);
            detail.more().put("if declared again, it is treated as new");
            add("queue", "gone", detail.keep(arena_));
            return;
        case Record::there:
            break;
        }
        for (const std::string_view fact : {q_.facts.type, q_.facts.state}) {
            if (!fact.empty()) {
                detail.more().put(fact);
            }
        }
        detail.more().put("first seen ").put(q_.first_seen);
        add("queue", "there", detail.keep(arena_));
    }

    void say_broker() {
        Clauses detail(arena_);
        if (!q_.watched) {
            detail.more().put("the option vhosts leaves this virtual host out");
        }
        if (!q_.watcher.empty()) {
            detail.more()
                .put("the broker is watched by ")
                .put(q_.watcher)
                .put(", so this server does nothing");
        }
        if (!q_.last_success.empty()) {
            detail.more().put("last complete poll ").put(q_.last_success);
        }
        if (q_.failures > 0) {
            detail.more()
                .put(q_.failures)
                .put(q_.failures == 1 ? " poll has failed: " : " polls in a row have failed: ")
                .put(q_.error_kind);
        }
        add("broker",
            !q_.watcher.empty()    ? "standing by"
            : q_.last_poll.empty() ? "never polled"
            : q_.failures > 0      ? "failing"
                                   : "polled",
            detail.keep(arena_));
    }

    void say_owner() {
        TextWriter detail(arena_);
        if (q_.owner_name.empty()) {
            detail.put("owner_pattern ").put(q_.options->owner_pattern).put(" matches no owner in the name");
            add("owner", std::nullopt, detail.keep(arena_));
            return;
        }
        if (q_.owner == Owner::reserved) {
            detail.put("reserved: reserved_owners ").put(q_.options->reserved_owners).put(" matches");
        } else if (!q_.owners.empty()) {
            detail.put("an account of ").put(q_.owners);
        } else if (q_.owner == Owner::person) {
            detail.put("an address with a local part, extracted by owner_pattern ")
                .put(q_.options->owner_pattern);
        } else {
            detail.put("no owner to warn: neither an account with owners nor an address with a local part");
        }
        add("owner", q_.owner_name, detail.keep(arena_));
    }

    void say_mail() {
        Clauses detail(arena_);
        const bool wanted = q_.owner == Owner::person;
        if (!q_.has_mail_server) {
            detail.more().put("cloudsat.smtp_url is not set");
        }
        if (!wanted) {
            detail.more().put("it has no owner to warn");
        } else if (!q_.not_mailed.empty()) {
            detail.more()
                .put(q_.not_mailed)
                .put(" is known only from the name of the queue, and not in mail_domains");
        } else if (q_.mailed.empty()) {
            detail.more().put("no owner has an address with a local part");
        }
        if (wanted && !q_.mail_waits.empty()) {
            detail.more().put(q_.mail_waits);
        }
        const bool mailed = wanted && q_.has_mail_server && !q_.mailed.empty();
        add("mail", mailed ? std::optional(q_.mailed) : std::nullopt, detail.keep(arena_));
    }

    // --- the rules

    bool given(std::string_view option) const { return q_.given(q_.given_by, option); }
    const PolicyMatch* policy() const { return q_.policies.empty() ? nullptr : q_.policies.data(); }

    void say_policy() {
        Clauses detail(arena_);
        if (const PolicyMatch* first = policy()) {
            detail.more().put("priority ").put(first->priority);
            if (!first->comment.empty()) {
                detail.more().put(first->comment);
            }
        } else {
            detail.more().put("none matches: the server's limits apply");
        }
        if (!q_.judged_so) {
            detail.more().put("not yet judged by these rules: they apply from the next poll on");
        }
        add("policy", policy() == nullptr ? std::nullopt : std::optional(number(policy()->id)),
            detail.keep(arena_));
        if (q_.policies.size() > 1) {
            say_passed_over();
        }
    }

    void say_passed_over() {
        constexpr std::size_t most = 20;
        TextWriter ids(arena_);
        for (std::size_t i = 1; i < std::min(q_.policies.size(), most + 1); ++i) {
            ids.put(i > 1 ? ", " : "").put(q_.policies[i].id);
        }
        Clauses detail(arena_);
        detail.more().put("also match, with a lower priority or a higher id");
        if (q_.policies.size() > most + 1) {
            detail.more().put(static_cast<std::int64_t>(q_.policies.size() - 1)).put(" in all");
        }
        add("passed_over", ids.keep(arena_), detail.keep(arena_));
    }

    // Origin of a limit: the policy's own number, the server's, or a compromise of both.
    TextWriter& put_origin(TextWriter& out, std::string_view option, bool by_policy,
                           std::optional<std::int64_t> limit, std::int64_t of_server) const {
        if (by_policy) {
            return out.put("policy ").put(policy()->id);
        }
        if (policy() != nullptr && limit && *limit != of_server) {
            return out.put("the server's ").put(of_server).put(" yields to policy ").put(policy()->id);
        }
        return given(option) ? out.put("option of server ").put(q_.server) : out.put("default");
    }

    void say_limit(std::string_view item, std::optional<std::int64_t> limit, bool by_policy,
                   std::int64_t of_server, std::string_view meaning) {
        Clauses detail(arena_);
        put_origin(detail.more(), item, by_policy, limit, of_server);
        if (!meaning.empty()) {
            detail.more().put(meaning);
        }
        add(item, limit ? std::optional(number(*limit)) : std::nullopt, detail.keep(arena_));
    }

    std::string_view rearmed(std::string_view what, std::int64_t limit) const {
        return text().put(what).put(rearm_size(limit)).put(" or fewer").keep(arena_);
    }

    void say_archive_size() {
        const ServerOptions& o = *q_.options;
        const PolicyMatch* p = policy();
        const bool by_policy = p != nullptr && p->archive_size.has_value();
        if (q_.limits.archive_size) {
            say_limit("archive_size", q_.limits.archive_size, by_policy, o.archive_size,
                      rearmed("archived until there are ", *q_.limits.archive_size));
            say_limit("max_archive_size", q_.limits.max_archive_size,
                      p != nullptr && p->max_archive_size.has_value(), o.max_archive_size,
                      q_.limits.max_archive_size ? "" : "any number");
            return;
        }
        const bool wanted = by_policy ? *p->archive_size != off : o.archive_size != off;
        Clauses detail(arena_);
        if (by_policy && !wanted) {
            put_origin(detail.more(), "archive_size", true, {}, off);
        } else if (!wanted) {
            put_origin(detail.more(), "archive_size", false, {}, off);
        } else if (!by_policy && q_.limits.unbounded) {
            detail.more().put("policy ").put(p->id).put(" makes it unbounded and has no archive_size");
        } else {
            detail.more().put("the server has no amqp_url");
        }
        detail.more().put("nothing is archived");
        add("archive_size", std::nullopt, detail.keep(arena_));
    }

    void say_delay() {
        Clauses detail(arena_);
        put_origin(detail.more(), "delete_delay", policy() != nullptr && policy()->delete_delay.has_value(),
                   {}, q_.options->delete_delay);
        const Micros left = delay_left(q_.limits, q_.standing.delay_from, q_.circumstances.now);
        if (left > 0 && q_.standing.delay_from != 0) {
            detail.more().put(duration(left)).put(" of it left");
        } else if (left > 0) {
            detail.more().put(q_.circumstances.enforce ? "counts from the warning"
                                                       : "counts from when enforce is switched on");
        }
        add("delete_delay", duration(q_.limits.delete_delay), detail.keep(arena_));
    }

    void say_limits() {
        const ServerOptions& o = *q_.options;
        const PolicyMatch* p = policy();
        say_limit("warn_size", q_.limits.warn_size, p != nullptr && p->warn_size.has_value(), o.warn_size,
                  rearmed("normal again at ", q_.limits.warn_size));
        say_archive_size();
        say_limit("delete_size", q_.limits.delete_size, p != nullptr && p->delete_size.has_value(),
                  o.delete_size, "");
        say_delay();
        const std::string_view origin =
            p == nullptr ? "default" : text().put("policy ").put(p->id).keep(arena_);
        const auto yes = [](bool value) { return std::optional<std::string_view>(value ? "yes" : "no"); };
        add("unbounded", yes(q_.limits.unbounded), origin);
        add("exempt", yes(q_.limits.exempt), origin);
        add("basis", q_.limits.basis == Basis::ready ? "ready" : "total", origin);
        Clauses enforce(arena_);
        if (given("enforce")) {
            enforce.more().put("option of server ").put(q_.server);
        } else {
            enforce.more().put("default");
        }
        enforce.more().put(q_.held_back ? "held back until confirm_enforce(): it is on for another database"
                           : o.enforce != 0 ? "it archives and deletes"
                                            : "it warns, and announces what it would do");
        add("enforce", o.enforce != 0 ? "on" : q_.held_back ? "held back" : "off", enforce.keep(arena_));
    }

    // --- its state

    void say_size() {
        const std::optional<std::int64_t> size = judged_size(sample_, q_.limits.basis);
        Clauses detail(arena_);
        detail.more().put(q_.limits.basis == Basis::ready ? "ready" : "ready and unacknowledged");
        if (q_.source != SizeSource::none) {
            detail.more().put("from ").put(to_string(q_.source));
        }
        detail.more().put("last poll ").put(q_.last_poll);
        if (now_.blocker != Blocker::none && now_.blocker != Blocker::intended) {
            detail.more().put("not judged: ").put(reason_of(now_.blocker));
        }
        add("size", size ? std::optional(number(*size)) : std::nullopt, detail.keep(arena_));
    }

    void say_level() {
        TextWriter detail(arena_);
        const Standing& s = q_.standing;
        if (!q_.incident.empty()) {
            detail.put("since ").put(q_.incident_at).put(", at ").messages(q_.incident_size.value_or(0));
        }
        add("level", to_string(s.level), detail.keep(arena_));
        add("pending", to_string(s.pending),
            s.pending > s.level
                ? "called for by the size at the last poll; a second poll in a row puts it into effect"
                : "called for by the size at the last poll");
        add("incident", q_.incident.empty() ? std::nullopt : std::optional(q_.incident),
            q_.incident.empty() ? "none is open" : "the thread: cloudsat.thread_text(incident)");
    }

    void say_belay() {
        Clauses detail(arena_);
        if (q_.standing.belayed) {
            detail.more().put("neither archived nor deleted until it has recovered");
            if (!q_.unheard) {
                detail.more().put("since ").put(q_.belayed_at);
            }
        } else if (q_.unheard) {
            detail.more().put("ended by ").put(q_.belayed_by);
        }
        if (q_.unheard) {
            detail.more().put("takes effect at the next poll");
        }
        add("belayed", q_.standing.belayed ? std::optional(q_.belayed_by) : std::nullopt,
            detail.keep(arena_));
    }

    std::string_view rate(double growth) const {
        char digits[40];
        const double shown = std::round(growth * 10) / 10 + 0.0; // no -0
        const auto end = std::to_chars(digits, digits + sizeof digits, shown, std::chars_format::fixed, 1);
        return end.ec == std::errc{}
                   ? text().put({digits, static_cast<std::size_t>(end.ptr - digits)}).keep(arena_)
                   : std::string_view("0");
    }

    // hours:minutes:seconds, an input format of interval
    std::string_view duration(Micros time) const {
        const Micros seconds = time / micros_per_second;
        TextWriter out(arena_);
        const auto two = [&](Micros part) { out.put(part < 10 ? "0" : "").put(part); };
        two(seconds / 3600);
        out.put(":");
        two(seconds / 60 % 60);
        out.put(":");
        two(seconds % 60);
        return out.keep(arena_);
    }

    void say_growth() {
        add("growth", rate(q_.growth), "messages per minute, over about the last minute");
        const bool trusted = q_.trend && q_.trend->steady;
        Clauses detail(arena_);
        if (q_.trend) {
            detail.more().put("messages per minute, over the last ").put(duration(q_.trend->span));
            if (!trusted && q_.trend->growth != 0) {
                detail.more().put("it fluctuates more than it grows");
            }
            add("trend", rate(q_.trend->growth), detail.keep(arena_));
        } else {
            add("trend", std::nullopt, "too little history");
        }
        // The faster estimate: an early warning costs little.
        const bool by_trend = trusted && q_.trend->growth > q_.growth;
        const double growth = by_trend ? q_.trend->growth : q_.growth;
        say_time("time_to_warn_size", q_.limits.warn_size, growth, by_trend);
        if (q_.limits.archive_size) {
            say_time("time_to_archive_size", *q_.limits.archive_size, growth, by_trend);
        }
        say_time("time_to_delete_size", q_.limits.delete_size, growth, by_trend);
    }

    void say_time(std::string_view item, std::int64_t limit, double growth, bool by_trend) {
        const std::optional<std::int64_t> size = judged_size(sample_, q_.limits.basis);
        if (!size) {
            add(item, std::nullopt, reason_of(Blocker::no_number));
            return;
        }
        const std::optional<Micros> time = time_to(limit, *size, growth);
        const std::string_view how = *size > limit ? "already above"
                                     : !time       ? "not within a century at this growth"
                                     : by_trend    ? "by trend"
                                                   : "by growth";
        add(item, time ? std::optional(duration(*time)) : std::nullopt,
            !time && !(growth > 0) ? "it does not grow" : how);
    }

    void say_archive() {
        const Standing& s = q_.standing;
        Clauses detail(arena_);
        switch (s.archive) {
        case Archive::none:
            break;
        case Archive::on:
            detail.more().messages(q_.archived).put(" archived since it began");
            break;
        case Archive::full:
            detail.more().put(has_room(q_.limits, q_.in_archive) ? "it was full, and has room again"
                                                                 : reason_of(Blocker::full));
            break;
        case Archive::withheld:
            detail.more().put(q_.withheld_because.empty() ? reason_of(Blocker::withheld)
                                                          : q_.withheld_because);
            break;
        }
        if (!q_.archive_retry.empty()) {
            detail.more().put("the last attempt failed; earliest retry ").put(q_.archive_retry);
        }
        if (q_.in_archive > 0) {
            detail.more().put("the archive holds ").messages(q_.in_archive).put(" of it");
        }
        add("archive", s.archive == Archive::none ? std::nullopt : std::optional(to_string(s.archive)),
            detail.keep(arena_));
    }

    void say_deletion() {
        Clauses detail(arena_);
        std::optional<std::string_view> value;
        if (q_.standing.intended) {
            value = "intended";
            detail.more().put("since ").put(q_.intended_at);
            if (q_.attempts > 0) {
                detail.more().put(q_.attempts).put(q_.attempts == 1 ? " request" : " requests");
                detail.more().put("outcome not known yet");
            }
        } else if (q_.failed_attempts > 0) {
            value = "failed";
            detail.more().put(q_.failed_attempts).put(q_.failed_attempts == 1 ? " attempt" : " attempts");
            if (!q_.retry_after.empty()) {
                detail.more().put("earliest retry ").put(q_.retry_after);
            }
        } else if (q_.standing.would_delete) {
            value = "would_delete";
            detail.more().put("announced ").put(q_.would_delete_at);
        }
        if (q_.dots) {
            detail.more().put(q_.options->amqp_url.empty() ? no_address : "over AMQP only");
        }
        add("deletion", value, detail.keep(arena_));
    }

    // --- what comes next

    std::string_view told() const { return q_.owners.empty() ? q_.owner_name : q_.owners; }

    // The events of an outlook, named as in queue_events.
    std::string_view events_of(const Outlook& o) const {
        TextWriter out(arena_);
        bool any = false;
        const auto put = [&](bool happens, std::string_view event) {
            if (happens) {
                out.put(any ? ", " : "").put(event);
                any = true;
            }
        };
        put(o.warned, "warned");
        put(o.deletable, "deletable");
        put(o.archive_ended, "archived");
        put(o.recovered, "recovered");
        put(o.archive_wanted, "archive_started");
        put(o.would_delete, "would_delete");
        put(o.delete_intended, "delete_intended");
        return any ? out.keep(arena_) : nothing;
    }

    void put_reasons(Clauses& out, const Outlook& o) const {
        if (o.blocker != Blocker::none) {
            out.more().put(reason(o.blocker));
        }
        if (o.warned) {
            out.more().put("warned: ").put(told());
        }
        if (o.warn_blocker != Blocker::none) {
            out.more().put("no owner is warned: ").put(reason(o.warn_blocker));
        }
        if (o.archive_wanted) {
            out.more().put("until there are ").put(rearm_size(*q_.limits.archive_size)).put(" or fewer");
        }
        if (o.archive_blocker != Blocker::none) {
            out.more().put("not archived: ").put(reason(o.archive_blocker));
        }
        if (o.delete_intended) {
            out.more().put("deleted, unless the second look finds it drained");
        } else if (o.delete_blocker != Blocker::none) {
            out.more().put("not deleted: ").put(reason(o.delete_blocker));
        }
        if (q_.limits.archive_size && (o.delete_intended || o.delete_blocker == Blocker::archive_first)) {
            out.more().put("only by its guard: poll() does not archive");
        }
    }

    std::string_view reasons(const Outlook& o) const {
        Clauses out(arena_);
        put_reasons(out, o);
        const Level level = q_.standing.level;
        if (o == Outlook{} && level != Level::normal && q_.record == Record::there) {
            out.more().put("it stays ").put(to_string(level));
        }
        return out.keep(arena_);
    }

    // Why no poll judges the queue; empty if one does.
    std::string_view unseen() const {
        return !q_.watched                 ? reason_of(Blocker::unwatched)
               : q_.record == Record::none ? "no poll has seen it"
               : q_.record == Record::gone ? "it is gone"
                                           : "";
    }

    Resolution resolve_at(std::optional<std::int64_t> size) const {
        SecondLook look;
        look.presence = Presence::listed;
        look.seen = look.before = q_.facts;
        look.seen.messages = look.seen.ready = size;
        look.limits = q_.limits;
        look.owner = q_.owner;
        look.enforce = q_.circumstances.enforce;
        look.belayed = q_.standing.belayed;
        look.archive_resumes = q_.standing.archive == Archive::full && has_room(q_.limits, q_.in_archive);
        look.delay = delay_left(q_.limits, q_.standing.delay_from, q_.circumstances.now);
        look.age = q_.intended_for;
        return resolve(look);
    }

    void add_resolution(std::string_view item, const Resolution& resolution) {
        const bool goes = resolution.resolve == Resolve::proceed;
        add(item, goes ? "deleted" : "delete_withdrawn",
            goes                       ? "an intention is open: a second look follows, at the latest numbers"
            : q_.circumstances.enforce ? resolution.reason
                                       : q_.why_not);
    }

    void say_next_poll() {
        if (const std::string_view why = unseen(); !why.empty()) {
            add("next_poll", "nothing", why);
            return;
        }
        const std::optional<std::int64_t> size = judged_size(sample_, q_.limits.basis);
        if (q_.standing.intended) {
            add_resolution("next_poll", resolve_at(size));
            return;
        }
        Clauses detail(arena_);
        if (const std::string_view why = reasons(outlook_of(now_)); !why.empty()) {
            detail.more().put(why);
        }
        const Level called = now_.next.pending;
        if (now_.blocker == Blocker::none && called > q_.standing.pending) {
            detail.more()
                .put("its size calls for ")
                .put(to_string(called))
                .put(", if the following poll agrees");
        }
        const std::string_view events = events_of(outlook_of(now_));
        if (!q_.unheard) {
            add("next_poll", events, detail.keep(arena_));
            return;
        }
        TextWriter with_word(arena_);
        with_word.put(q_.standing.belayed ? "belayed" : "belay_ended");
        if (events != nothing) {
            with_word.put(", ").put(events);
        }
        add("next_poll", with_word.keep(arena_), detail.keep(arena_));
    }

    std::string_view range(std::span<const Range> ranges, std::size_t i) const {
        return ranges[i].from > 0      ? text().put("above ").put(ranges[i].from - 1).keep(arena_)
               : i + 1 < ranges.size() ? text().put("up to ").put(ranges[i + 1].from - 1).keep(arena_)
                                       : std::string_view("any size");
    }

    void say_prospect() {
        if (!q_.watched) {
            return;
        }
        if (q_.record == Record::there && q_.standing.intended) {
            const std::int64_t limit = q_.limits.delete_size;
            add_resolution(text().put("up to ").put(limit).keep(arena_), resolve_at(limit));
            if (limit < std::numeric_limits<std::int64_t>::max()) {
                add_resolution(text().put("above ").put(limit).keep(arena_), resolve_at(limit + 1));
            }
            return;
        }
        // Assumes that all waiting times have passed.
        const Standing standing = q_.record == Record::there ? q_.standing : Standing{};
        Sample sample = q_.record == Record::there ? sample_ : Sample{};
        Circumstances then = q_.circumstances;
        then.may_delete = true;
        if (then.up_since != 0) {
            then.now = std::max(then.now, then.up_since + hold_after_return);
        }
        if (standing.acted_at != 0) {
            then.now = std::max(then.now, standing.acted_at + hold_after_action);
        }
        then.now = std::max(then.now, standing.retry_after);
        if (standing.delay_from != 0) {
            then.now = std::max(then.now, standing.delay_from + q_.limits.delete_delay);
        }
        const Prospect found = prospect(standing, sample, q_.limits, q_.owner, then);
        for (std::size_t i = 0; i < found.count; ++i) {
            const Outlook& outlook = found.list[i].outlook;
            add(range(found.ranges(), i), events_of(outlook), reasons(outlook));
        }
    }

    const QueueCase& q_;
    std::pmr::memory_resource* arena_;
    Sample sample_;
    Verdict now_; // the verdict of a poll with the same findings as the last one
    Explanation result_;
};

} // namespace

Explanation explain_queue(const QueueCase& queue, std::pmr::memory_resource* arena) {
    return Explainer(queue, arena).explain();
}

} // namespace cloudsat::core
