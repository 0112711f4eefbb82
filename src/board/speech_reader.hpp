// Reads what somebody said in a thread, newest first, and who spoke in it at all, through each partition's
// index on (root, poster, uuid): whatever others say, and however much, costs nothing.
#pragma once

#include <optional>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"

#include "board/message_reader.hpp"

namespace cloudsat::board {

// Plain, like its base.
class SpeechReader : public MessageReader {
public:
    // What is committed at this moment counts, at every isolation level.
    void open_now();
    void close_now(); // the locks stay until the end of the transaction

    // The thread that is meant, and the uuid from which on its messages count.
    void in_thread(const core::Uuid& root, const core::Uuid& since);

    // The newest message of the poster in it that is wanted, of at most so many that are looked at in each
    // partition; none when there is none. The row is good until the next call.
    using Wanted = bool (*)(const MessageRow& row, void* context);
    std::optional<MessageRow> newest(Datum poster, int most, Wanted wanted, void* context);

    // The first poster behind this one, in the order of addresses; null: the first of all. Palloc'd. Not told
    // of a partition that has lost its index.
    std::optional<core::Address> next_poster(const core::Address* after);

private:
    struct Speech { // of a partition
        std::uint16_t leaf;
        Relation index;        // null: somebody dropped it
        IndexScanDesc said;    // what one poster said; made at first use, as is the other
        IndexScanDesc posters; // the posters behind one
        TupleTableSlot* slot;
    };

    Speech& speech_of(Oid partition);
    void begin(Speech& speech, IndexScanDesc& scan, Datum poster, StrategyNumber strategy, int keys);
    std::optional<MessageRow> newest_by_index(Speech& speech, Datum poster, int most, Wanted wanted,
                                              void* context);
    std::optional<MessageRow> newest_by_heap(Speech& speech, Datum poster, Wanted wanted, void* context);

    core::Uuid root_{}, since_{};
    List* partitions_;
    Speech* speeches_;
    int speech_count_, speech_capacity_;
};

} // namespace cloudsat::board
