// Tasks: participants and task. Reads the replies of a thread once, through MessageReader, and passes them to
// core/board/task_state, which implements the rule. Nothing is stored: a task's state always follows from its
// thread.

#include "board/address.hpp"
#include "board/disposition.hpp"
#include "board/message_reader.hpp"
#include "board/thread.hpp"
#include "board/uuid.hpp"
#include "core/board/task_state.hpp"
#include "pg/memory.hpp"
#include "pg/result_row.hpp"

namespace cloudsat::board {
namespace {

core::TaskMoment moment_of(const MessageRow& row) {
    return {.id = message_id(row.value(Field::uuid)),
            .time = DatumGetTimestampTz(row.value(Field::timestamp))};
}

void add(core::TaskState* task, const MessageRow& row) {
    AddressArgument poster(row.value(Field::poster));
    task->add_reply(moment_of(row), message_id(row.value(Field::before)), poster.view().key(),
                    disposition_value(row.value(Field::disposition)));
    poster.release();
}

// The state of this message's task, in the current context.
core::TaskState* judge(Datum start) {
    auto* memory = pg::make<pg::ContextResource>(CurrentMemoryContext, CurrentMemoryContext);
    auto* task = pg::make<core::TaskState>(CurrentMemoryContext, memory);
    MessageReader reader;
    reader.open();
    Member from = look_up(reader, start);
    if (from.place) {
        task->add_start(moment_of(reader.fetch(*from.place)));
    }
    for_each_reply(reader, from, [task](const MessageRow& row, Place) { add(task, row); });
    reader.close();
    task->judge(message_id(start), from.is_reply ? core::ThreadScope::subtree : core::ThreadScope::thread);
    return task;
}

Datum count_datum(std::uint64_t count) {
    return Int64GetDatum(static_cast<int64>(count));
}

// Calls `act` with the task of the first argument, in a context that is deleted afterwards. It must not
// throw.
template <class F> void with_task(FunctionCallInfo fcinfo, F&& act) {
    InitMaterializedSRF(fcinfo, 0);
    MemoryContext context = pg::new_context(CurrentMemoryContext, "cloudsat task");
    MemoryContext caller = MemoryContextSwitchTo(context);
    act(*judge(PG_GETARG_DATUM(0)));
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
}

Datum participants(FunctionCallInfo fcinfo) {
    with_task(fcinfo, [fcinfo](const core::TaskState& task) {
        for (const auto& [poster, person] : task.participants()) {
            CHECK_FOR_INTERRUPTS();
            pg::ResultRow row;
            row.add(address_datum(core::AddressView(poster)));
            row.add(person.state, disposition_datum);
            row.add(TimestampTzGetDatum(person.since.time), !person.state);
            row.add(copy_datum(uuid_of(person.last.id)));
            row.add(count_datum(person.replies));
            row.add(person.taken_up, [](const auto& moment) { return TimestampTzGetDatum(moment.time); });
            row.add(person.belayed_by, [](const auto& belay) { return copy_datum(uuid_of(belay.id)); });
            row.put(fcinfo);
        }
    });
    return static_cast<Datum>(0);
}

Datum task(FunctionCallInfo fcinfo) {
    with_task(fcinfo, [fcinfo](const core::TaskState& judged) {
        const core::TaskSummary& summary = judged.summary();
        if (!summary.first) {
            return; // neither the message nor a reply to it exists
        }
        pg::ResultRow row;
        row.add(summary.state, disposition_datum);
        row.add(count_datum(summary.participants));
        using enum core::TaskStage;
        for (core::TaskStage stage : {working, ended, failed, belayed, ignored, informed}) {
            row.add(count_datum(summary.count(stage)));
        }
        row.add(count_datum(summary.replies));
        row.add(TimestampTzGetDatum(*summary.first));
        row.add(TimestampTzGetDatum(*summary.last));
        row.put(fcinfo);
    });
    return static_cast<Datum>(0);
}

} // namespace

SQL_FUNCTION(participants);
SQL_FUNCTION(task);

} // namespace cloudsat::board
