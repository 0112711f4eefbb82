// Reads one poster's messages in a thread, newest first, and the thread's posters, through each partition's
// index on (root, poster, uuid). Other posters' messages cost nothing, however many there are.
#pragma once

#include <optional>

#include "board/message_reader.hpp"
#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"

namespace cloudsat::board {

// Trivially destructible, like its base.
class SpeechReader : public MessageReader {
public:
    // Reads rows committed by now, at every isolation level.
    void open_now();
    void close_now(); // the locks stay until the end of the transaction

    // The thread, and the uuid from which its messages count.
    void in_thread(const core::Uuid& root, const core::Uuid& since);

    // The newest wanted message of the poster in it, among at most that many examined in each partition; none
    // if there is none. The row is valid until the next call.
    using Wanted = bool (*)(const MessageRow& row, void* context);
    std::optional<MessageRow> newest(Datum poster, int most, Wanted wanted, void* context);

    // The first poster after this one, in address order; null: the first of all. Palloc'd. Omits partitions
    // that have lost their index.
    std::optional<core::Address> next_poster(const core::Address* after);

private:
    struct Speech { // of a partition
        std::uint16_t leaf;
        Relation index;        // null if an administrator dropped it
        IndexScanDesc said;    // scans one poster's messages; made at first use, as is the next
        IndexScanDesc posters; // scans the posters after one
        TupleTableSlot* slot;
    };

    Speech& speech_of(Oid partition);
    void begin(Speech& speech, IndexScanDesc& scan, Datum poster, StrategyNumber strategy, int keys);
    std::optional<MessageRow> newest_by_index(Speech& speech, Datum poster, int most, Wanted wanted,
                                              void* context);
    std::optional<MessageRow> newest_by_heap(Speech& speech, Datum poster, Wanted wanted, void* context);

    core::Uuid root_{}, since_{};
    List* partitions_;
    pg::Array<Speech> speeches_;
};

} // namespace cloudsat::board
