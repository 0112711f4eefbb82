// Reads the messages of a stream, see stream_reader.hpp.

#include "board/stream_reader.hpp"

#include <algorithm>

#include "board/address.hpp"
#include "board/indexes.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "access/relscan.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
}

namespace cloudsat::board {
namespace {

// Skipping an unwanted entry is cheaper than a new index descent, but a descent skips any number of entries.
constexpr int most_passed = 8;

} // namespace

void StreamReader::start(std::span<const Datum> channels, core::Unreceived wanted,
                         std::optional<core::Uuid> floor) {
    channels_ = channels;
    wanted_ = wanted;
    to_read_ = partitions_since(floor ? &*floor : nullptr);
    next_to_read_ = 0;
    index_scan_ = nullptr;
    is_searching_ = false;
}

// The next non-empty partition.
bool StreamReader::begin_partition() {
    while (next_to_read_ < list_length(to_read_)) {
        reading_ = open_partition(list_nth_oid(to_read_, next_to_read_++));
        const Leaf& leaf = *leaves_[reading_];
        if (RelationGetNumberOfBlocks(leaf.relation) == 0) {
            continue; // most partitions made in advance
        }
        index_ =
            open_index(leaf.relation, {column_of(Field::chan, leaf.map), column_of(Field::xact, leaf.map)});
        if (index_ == nullptr) {
            search_.begin(leaf.relation, snapshot_);
            is_searching_ = true;
            return true;
        }
        slot_ = table_slot_create(leaf.relation, nullptr);
        index_scan_ = CLOUDSAT_INDEX_BEGINSCAN(leaf.relation, index_, snapshot_, 2);
        index_scan_->xs_want_itup = true; // gives the transaction before the row is fetched
        prepare_keys();
        channel_ = 0;
        from_ = 0;
        is_there_ = false;
        return true;
    }
    return false;
}

void StreamReader::end_partition() {
    if (index_scan_ != nullptr) {
        index_endscan(index_scan_);
        index_close(index_, AccessShareLock);
        ExecDropSingleTupleTableSlot(slot_);
        index_scan_ = nullptr;
    }
    if (is_searching_) {
        search_.end();
        is_searching_ = false;
    }
}

void StreamReader::prepare_keys() {
    keys_[0] = condition_on(index_, 0, BTEqualStrategyNumber, Datum{0});
    keys_[1] = condition_on(index_, 1, BTGreaterEqualStrategyNumber, Datum{0});
}

void StreamReader::seek() {
    keys_[0].sk_argument = channels_[channel_];
    keys_[1].sk_argument = UInt64GetDatum(from_);
    index_rescan(index_scan_, keys_, 2, nullptr, 0);
    is_there_ = true;
    passed_ = 0;
}

void StreamReader::next_channel() {
    ++channel_;
    from_ = 0;
    is_there_ = false;
}

bool StreamReader::step_in_index(core::Xact last_wanted, core::Xact& xact) {
    while (channel_ < channels_.size()) {
        CHECK_FOR_INTERRUPTS();
        if (!is_there_) {
            const std::optional<core::Xact> first = wanted_.next(from_);
            if (!first || *first > last_wanted) {
                next_channel();
                continue;
            }
            from_ = *first;
            seek();
        }
        if (index_getnext_tid(index_scan_, ForwardScanDirection) == nullptr) {
            next_channel();
            continue;
        }
        bool isnull = false;
        xact = DatumGetUInt64(index_getattr(index_scan_->xs_itup, 2, index_scan_->xs_itupdesc, &isnull));
        if (xact > last_wanted) {
            next_channel();
        } else if (!wanted_.contains(xact)) {
            if (!wanted_.next(xact)) {
                next_channel(); // no transaction from here on is wanted
            } else if (++passed_ > most_passed) {
                from_ = xact + 1;
                is_there_ = false;
            }
        } else {
            passed_ = 0;
            if (index_fetch_heap(index_scan_, slot_)) {
                return true;
            }
        }
    }
    return false;
}

bool StreamReader::is_on_channel(Datum chan) const {
    const core::AddressView wanted = address_view(chan);
    return std::ranges::any_of(channels_,
                               [wanted](Datum channel) { return address_view(channel) == wanted; });
}

bool StreamReader::search(core::Xact last_wanted, core::Xact& xact) {
    while ((slot_ = search_.next()) != nullptr) {
        CHECK_FOR_INTERRUPTS();
        const MessageRow row(slot_, leaves_[reading_]->map);
        xact = DatumGetUInt64(row.value(Field::xact));
        if (xact <= last_wanted && wanted_.contains(xact) && is_on_channel(row.value(Field::chan))) {
            return true;
        }
    }
    return false;
}

bool StreamReader::step(core::Xact last_wanted, core::Xact& xact) {
    return index_scan_ != nullptr ? step_in_index(last_wanted, xact) : search(last_wanted, xact);
}

std::optional<MessageRow> StreamReader::next(core::Xact last_wanted, core::Xact& xact, Place& place) {
    while (index_scan_ != nullptr || is_searching_ || begin_partition()) {
        if (step(last_wanted, xact)) {
            place = place_of(slot_, reading_);
            return MessageRow(slot_, leaves_[reading_]->map);
        }
        end_partition();
    }
    return std::nullopt;
}

void StreamReader::end() {
    end_partition();
    next_to_read_ = list_length(to_read_);
}

} // namespace cloudsat::board
