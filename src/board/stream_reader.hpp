// Reads the messages of a stream: those on some channels from some transactions, through each partition's
// index on (chan, xact). Knows which transactions are wanted, not why; see stream.cpp.
#pragma once

#include <optional>
#include <span>

#include "board/message_reader.hpp"
#include "core/board/stream_position.hpp"
#include "core/board/uuid7.hpp"

namespace cloudsat::board {

// To be opened with open_settled. Trivially destructible, like its base.
class StreamReader : public MessageReader {
public:
    // The messages on these channels (descending) of these transactions, except those with a uuid before
    // `floor` outside the default partition. Unordered, except that those on one channel of one partition are
    // in transaction order.
    void start(std::span<const Datum> channels, core::Unreceived wanted, std::optional<core::Uuid> floor);

    // The next one not written later than by `last_wanted`. The row is valid until the next step.
    std::optional<MessageRow> next(core::Xact last_wanted, core::Xact& xact, Place& place);

    void end(); // needed only before its end

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

    std::uint16_t reading_; // the current partition, if it is one of these
    Relation index_;
    ScanKeyData keys_[2];
    IndexScanDesc index_scan_;
    bool is_searching_; // if there is no index
    pg::TableScan search_;
    TupleTableSlot* slot_;
    std::size_t channel_;
    core::Xact from_; // where to begin on the channel
    bool is_there_;   // the index scan is at or after from_
    int passed_;      // consecutive unwanted entries
};

} // namespace cloudsat::board
