// Reads one poster's messages in a thread, see speech_reader.hpp.

#include "board/speech_reader.hpp"

#include "board/address.hpp"
#include "board/indexes.hpp"
#include "board/uuid.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {

void SpeechReader::open_now() {
    open_table();
    settle();
    snapshot_ = RegisterSnapshot(GetLatestSnapshot());
    partitions_ = NIL;
    speeches_ = {};
}

void SpeechReader::close_now() {
    for (Speech& speech : speeches_.span()) {
        for (IndexScanDesc scan : {speech.said, speech.posters}) {
            if (scan != nullptr) {
                index_endscan(scan);
            }
        }
        if (speech.index != nullptr) {
            index_close(speech.index, NoLock);
        }
        ExecDropSingleTupleTableSlot(speech.slot);
    }
    close();
}

void SpeechReader::in_thread(const core::Uuid& root, const core::Uuid& since) {
    root_ = root;
    since_ = since;
    list_free(partitions_);
    partitions_ = partitions_since(&since_);
}

SpeechReader::Speech& SpeechReader::speech_of(Oid partition) {
    const std::uint16_t leaf = open_partition(partition);
    for (std::size_t i = speeches_.size(); i-- > 0;) {
        if (speeches_[i].leaf == leaf) {
            return speeches_[i];
        }
    }
    const Leaf& opened = *leaves_[leaf];
    speeches_.add({.leaf = leaf,
                   .index = open_index(opened.relation, {column_of(Field::root, opened.map),
                                                         column_of(Field::poster, opened.map),
                                                         column_of(Field::uuid, opened.map)}),
                   .said = nullptr,
                   .posters = nullptr,
                   .slot = table_slot_create(opened.relation, nullptr)});
    return speeches_[speeches_.size() - 1];
}

// Starts a scan of the thread's messages whose poster compares with this one as the strategy says, from
// `since` on if there are three keys.
void SpeechReader::begin(Speech& speech, IndexScanDesc& scan, Datum poster, StrategyNumber strategy,
                         int keys) {
    if (scan == nullptr) {
        scan = CLOUDSAT_INDEX_BEGINSCAN(leaves_[speech.leaf]->relation, speech.index, snapshot_, keys);
    }
    const StrategyNumber strategies[] = {BTEqualStrategyNumber, strategy, BTGreaterEqualStrategyNumber};
    const Datum values[] = {as_datum(root_), poster, as_datum(since_)};
    ScanKeyData list[3];
    for (int i = 0; i < keys; ++i) {
        list[i] = condition_on(speech.index, i, strategies[i], values[i]);
    }
    index_rescan(scan, list, keys, nullptr, 0);
}

std::optional<MessageRow> SpeechReader::newest_by_index(Speech& speech, Datum poster, int most, Wanted wanted,
                                                        void* context) {
    begin(speech, speech.said, poster, BTEqualStrategyNumber, 3);
    while (most-- > 0 && index_getnext_slot(speech.said, BackwardScanDirection, speech.slot)) {
        CHECK_FOR_INTERRUPTS();
        const MessageRow row(speech.slot, leaves_[speech.leaf]->map);
        if (wanted(row, context)) {
            return row;
        }
    }
    return std::nullopt;
}

std::optional<MessageRow> SpeechReader::newest_by_heap(Speech& speech, Datum poster, Wanted wanted,
                                                       void* context) {
    std::optional<core::Uuid> newest;
    const Leaf& leaf = *leaves_[speech.leaf];
    pg::TableScan scan;
    scan.begin(leaf.relation, snapshot_);
    while (TupleTableSlot* slot = scan.next()) {
        CHECK_FOR_INTERRUPTS();
        const MessageRow row(slot, leaf.map);
        if (!row.is_reply() || from_datum(row.value(Field::root)) != root_ ||
            address_view(row.value(Field::poster)) != address_view(poster)) {
            continue;
        }
        const core::Uuid uuid = from_datum(row.value(Field::uuid));
        if (uuid >= since_ && (!newest || uuid > *newest) && wanted(row, context)) {
            newest = uuid;
            ExecCopySlot(speech.slot, slot);
        }
    }
    scan.end();
    return newest ? std::optional(MessageRow(speech.slot, leaf.map)) : std::nullopt;
}

std::optional<MessageRow> SpeechReader::newest(Datum poster, int most, Wanted wanted, void* context) {
    std::optional<MessageRow> found;
    core::Uuid best{};
    // The default partition is the last one and may hold any message; of the others, later ones hold later
    // messages.
    for (int i = list_length(partitions_); i-- > 0;) {
        Speech& speech = speech_of(list_nth_oid(partitions_, i));
        if (RelationGetNumberOfBlocks(leaves_[speech.leaf]->relation) == 0) {
            continue; // most partitions made in advance
        }
        const bool indexed = speech.index != nullptr;
        const auto row = indexed ? newest_by_index(speech, poster, most, wanted, context)
                                 : newest_by_heap(speech, poster, wanted, context);
        if (!row) {
            continue;
        }
        const core::Uuid uuid = from_datum(row->value(Field::uuid));
        if (!found || uuid > best) {
            found = row;
            best = uuid;
        }
        if (i + 1 < list_length(partitions_)) {
            break;
        }
    }
    return found;
}

std::optional<core::Address> SpeechReader::next_poster(const core::Address* after) {
    const core::Address none{}; // the root: smaller than any other address, and possibly itself a poster
    const Datum from = address_datum(after == nullptr ? none.view() : after->view());
    const StrategyNumber strategy = after == nullptr ? BTGreaterEqualStrategyNumber : BTGreaterStrategyNumber;
    std::optional<core::Address> first;
    for (int i = 0; i < list_length(partitions_); ++i) {
        Speech& speech = speech_of(list_nth_oid(partitions_, i));
        if (speech.index == nullptr) {
            continue;
        }
        begin(speech, speech.posters, from, strategy, 2);
        if (!index_getnext_slot(speech.posters, ForwardScanDirection, speech.slot)) {
            continue;
        }
        const MessageRow row(speech.slot, leaves_[speech.leaf]->map);
        const core::AddressView poster = address_view(row.value(Field::poster));
        if (!first || poster < first->view()) {
            core::FixedText<core::max_key_size> key;
            key.push(poster.key());
            first = core::Address(key);
        }
    }
    pfree(DatumGetPointer(from));
    return first;
}

} // namespace cloudsat::board
