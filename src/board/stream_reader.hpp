// Reads the messages of a stream: those on some channels, written by some transactions, through each
// partition's index on (chan, xact). Knows what transactions are wanted, not why; see stream.cpp.
#pragma once

#include <optional>
#include <span>

#include "core/board/stream_position.hpp"
#include "core/board/uuid7.hpp"

#include "board/message_reader.hpp"

namespace cloudsat::board {

// To be opened with open_settled. Plain, like its base.
class StreamReader : public MessageReader {
public:
    // The messages on these channels (descending) of these transactions, but for those with a uuid before
    // `floor`, if they are not in the default partition: in no particular order, but on one channel of one
    // partition in the order of their transactions.
    void start(std::span<const Datum> channels, core::Unreceived wanted, std::optional<core::Uuid> floor);

    // The next one that was not written later than by `last_wanted`. The row is good until the next step.
    std::optional<MessageRow> next(core::Xact last_wanted, core::Xact& xact, Place& place);

    void end(); // before its end; otherwise it ends itself

private:
    bool begin_partition();
    void end_partition();
    bool step(core::Xact last_wanted, core::Xact& xact);
    bool step_in_index(core::Xact last_wanted, core::Xact& xact);
    bool search(core::Xact last_wanted, core::Xact& xact);
    void prepare_keys();
    void seek();
    void next_channel();
    bool is_on_channel(Datum chan) const;

    std::span<const Datum> channels_;
    core::Unreceived wanted_{{}, {}};
    List* to_read_;
    int next_to_read_;

    std::uint16_t reading_; // the current partition, if one of these is there
    Relation index_;
    ScanKeyData keys_[2];
    IndexScanDesc index_scan_;
    bool is_searching_; // when there is no index
    pg::TableScan search_;
    TupleTableSlot* slot_;
    std::size_t channel_;
    core::Xact from_; // where to begin on the channel
    bool is_there_;   // the index scan is where from_ says, or behind
    int passed_;      // entries in a row that were not wanted
};

} // namespace cloudsat::board
