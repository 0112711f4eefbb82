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

Relation open_index(Relation table, std::initializer_list<AttrNumber> columns) {
    Relation found = nullptr;
    List* indexes = RelationGetIndexList(table);
    for (int i = 0; i < list_length(indexes) && found == nullptr; ++i) {
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

RegProcedure operator_of(Relation index, int column, StrategyNumber strategy) {
    const Oid type = index->rd_opcintype[column];
    return get_opcode(
        get_opfamily_member(index->rd_opfamily[column], type, type, static_cast<int16>(strategy)));
}

} // namespace cloudsat::board
