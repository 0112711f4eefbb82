// Indexes of the board's tables, see indexes.hpp.

#include "board/indexes.hpp"

#include <algorithm>

extern "C" {
#include "access/genam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "nodes/primnodes.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
}

namespace cloudsat::board {
namespace {

// Whether an index with this predicate holds every row in which the column is not null.
bool holds_all(List* predicate, AttrNumber column) {
    if (predicate == NIL) {
        return true;
    }
    const Node* condition = static_cast<const Node*>(linitial(predicate));
    if (list_length(predicate) != 1 || !IsA(condition, NullTest)) {
        return false;
    }
    const auto* test = reinterpret_cast<const NullTest*>(condition);
    return test->nulltesttype == IS_NOT_NULL && IsA(test->arg, Var) &&
           reinterpret_cast<const Var*>(test->arg)->varattno == column;
}

} // namespace

Relation open_index(Relation table, std::initializer_list<AttrNumber> columns) {
    Relation found = nullptr;
    List* indexes = RelationGetIndexList(table);
    for (int i = list_length(indexes); i-- > 0 && found == nullptr;) { // the primary key comes first
        Relation index = index_open(list_nth_oid(indexes, i), AccessShareLock);
        const Form_pg_index form = index->rd_index;
        if (form->indisvalid && form->indnkeyatts >= static_cast<int>(columns.size()) &&
            std::equal(columns.begin(), columns.end(), form->indkey.values) &&
            index->rd_rel->relam == BTREE_AM_OID &&
            holds_all(RelationGetIndexPredicate(index), *columns.begin())) {
            found = index;
        } else {
            index_close(index, AccessShareLock);
        }
    }
    list_free(indexes);
    return found;
}

ScanKeyData condition_on(Relation index, int column, StrategyNumber strategy, Datum value) {
    const Oid type = index->rd_opcintype[column];
    const Oid op = get_opfamily_member(index->rd_opfamily[column], type, type, static_cast<int16>(strategy));
    ScanKeyData key;
    ScanKeyEntryInitialize(&key, 0, static_cast<AttrNumber>(column + 1), strategy, InvalidOid,
                           index->rd_indcollation[column], get_opcode(op), value);
    return key;
}

} // namespace cloudsat::board
