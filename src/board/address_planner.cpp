// Planner support for `<@` and `@>`: their index conditions and selectivities. In this file, `a <@ b` and `b
// @> a` have the member a and the container b.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

#include "board/address.hpp"
#include "core/board/address_histogram.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_statistic.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
}

namespace cloudsat::board {

using core::AddressView;

namespace {

// Which argument is the member; the other is the container.
enum class Member : int { first = 0, second = 1 };

// The estimate for a container unknown at planning time, or for a table without statistics.
constexpr double unknown_share = 0.005;

// Maximum number of containers sampled to estimate a join. Each costs a look at the member's statistics.
constexpr int most_samples = 100;

// --- index conditions ---

Node* call_of(Oid function, Node* argument) {
    auto* copy = static_cast<Node*>(copyObjectImpl(argument));
    return reinterpret_cast<Node*>(makeFuncExpr(function, get_func_rettype(function), list_make1(copy),
                                                InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
}

// column >= subtree_start(X), or column < subtree_end(X).
Expr* bound_condition(const SupportRequestIndexCondition& request, Oid type, int16 strategy, const char* name,
                      Node* column, Node* container) {
    const Oid bound = pg::find_function(pg::private_schema(), name, {&type, 1});
    const Oid op = OidIsValid(bound)
                       ? get_opfamily_member(request.opfamily, type, get_func_rettype(bound), strategy)
                       : InvalidOid;
    if (!OidIsValid(op)) {
        return nullptr;
    }
    return make_opclause(op, BOOLOID, false, reinterpret_cast<Expr*>(column),
                         reinterpret_cast<Expr*>(call_of(bound, container)), InvalidOid, InvalidOid);
}

// column <@ X  is  column >= subtree_start(X) AND column < subtree_end(X).
// The calls are left to the executor even for a constant: they run once per scan, and EXPLAIN shows their
// meaning.
List* subtree_range(const SupportRequestIndexCondition& request, Oid type, Node* column, Node* container) {
    Expr* from =
        bound_condition(request, type, BTGreaterEqualStrategyNumber, "subtree_start", column, container);
    Expr* to = bound_condition(request, type, BTLessStrategyNumber, "subtree_end", column, container);
    return from != nullptr && to != nullptr ? list_make2(from, to) : NIL;
}

// column @> X  is  column = ANY (suffixes(X)).
List* ancestor_list(const SupportRequestIndexCondition& request, Oid type, Node* column, Node* member) {
    // If the column is not the index's first, such an array breaks the order of an index scan, and the
    // planner allows for that only if the query itself says = ANY.
    if (request.indexcol != 0) {
        return NIL;
    }
    const Oid equal = get_opfamily_member(request.opfamily, type, type, BTEqualStrategyNumber);
    const Oid ancestors = pg::find_function(pg::schema(), "suffixes", {&type, 1});
    if (!OidIsValid(equal) || !OidIsValid(ancestors)) {
        return NIL;
    }
    auto* any = makeNode(ScalarArrayOpExpr);
    any->opno = equal;
    any->useOr = true;
    any->args = list_make2(column, call_of(ancestors, member));
    any->location = -1;
    return list_make1(any);
}

List* index_condition(SupportRequestIndexCondition& request, Member member) {
    List* arguments = NIL;
    if (is_opclause(request.node)) {
        arguments = reinterpret_cast<OpExpr*>(request.node)->args;
    } else if (is_funcclause(request.node)) {
        arguments = reinterpret_cast<FuncExpr*>(request.node)->args;
    }
    if (list_length(arguments) != 2 || request.index->relam != BTREE_AM_OID) {
        return NIL;
    }
    auto* column = static_cast<Node*>(list_nth(arguments, request.indexarg));
    auto* other = static_cast<Node*>(list_nth(arguments, 1 - request.indexarg));
    if (!is_pseudo_constant_for_index(request.root, other, request.index)) {
        return NIL;
    }
    const Oid type = request.index->opcintype[request.indexcol];
    const bool column_is_member = request.indexarg == static_cast<int>(member);
    List* conditions = column_is_member ? subtree_range(request, type, column, other)
                                        : ancestor_list(request, type, column, other);
    request.lossy = conditions == NIL; // any conditions are exact
    return conditions;
}

// --- estimates ---

// ANALYZE's statistics for a column or an expression.
struct Statistics {
    bool known = false;
    double nulls = 0;
    double distinct = 1;
    std::span<const Datum> common; // most common values, with the share of each
    std::span<const float4> common_shares;
    double common_total = 0;
    std::span<const std::string_view> bounds; // of the histogram of the rest

    double rest() const { return std::clamp(1.0 - nulls - common_total, 0.0, 1.0); }
    // The frequency of one value that is not among the common ones.
    double share_of_one() const {
        const double others = std::max(distinct - static_cast<double>(common.size()), 1.0);
        const double share = rest() / others;
        return common.empty() ? share : std::min(share, static_cast<double>(common_shares.back()));
    }
};
static_assert(pg::Plain<Statistics>);

// Copies the values it keeps, because the planner's short-lived context frees the others.
Statistics read_statistics(VariableStatData& variable, Oid function) {
    Statistics statistics;
    if (!HeapTupleIsValid(variable.statsTuple) || !statistic_proc_security_check(&variable, function)) {
        return statistics;
    }
    statistics.known = true;
    statistics.nulls = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(variable.statsTuple))->stanullfrac;
    bool is_default = false;
    statistics.distinct = get_variable_numdistinct(&variable, &is_default);

    // The values are read as addresses, so the column must have that type: a function may make an address of
    // a column of any type.
    AttStatsSlot slot; // its arrays are palloc'd copies, which are kept
    const auto read = [&](int kind, int flags) {
        return get_attstatsslot(&slot, variable.statsTuple, kind, InvalidOid, flags) &&
               getBaseType(slot.valuetype) == address_oid();
    };
    if (read(STATISTIC_KIND_MCV, ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS)) {
        const auto count = static_cast<std::size_t>(std::min(slot.nvalues, slot.nnumbers));
        statistics.common = {slot.values, count};
        statistics.common_shares = {slot.numbers, count};
        for (float4 share : statistics.common_shares) {
            statistics.common_total += share;
        }
    }
    if (read(STATISTIC_KIND_HISTOGRAM, ATTSTATSSLOT_VALUES)) {
        const auto count = static_cast<std::size_t>(slot.nvalues);
        auto* bounds = static_cast<std::string_view*>(
            palloc(std::max<std::size_t>(count, 1) * sizeof(std::string_view)));
        for (std::size_t i = 0; i < count; ++i) {
            bounds[i] = address_view(slot.values[i]).key();
        }
        statistics.bounds = {bounds, count};
    }
    return statistics;
}

// The share of rows whose value lies in the container's subtree.
double share_under(const Statistics& members, AddressView container) {
    double common = 0;
    bool container_is_common = false;
    for (std::size_t i = 0; i < members.common.size(); ++i) {
        const AddressView value = address_view(members.common[i]);
        if (core::within(value, container)) {
            common += members.common_shares[i];
            container_is_common |= value == container;
        }
    }
    double rest = 0;
    if (members.bounds.size() >= 2) {
        rest = members.rest() * core::share_within(members.bounds, container);
    } else if (members.common_total > 0) {
        // without further statistics, as among the common ones
        rest = members.rest() * common / members.common_total;
    }
    // A histogram does not show a subtree much narrower than its bins. At least the container itself may be
    // present.
    if (!container_is_common) {
        rest = std::max(rest, members.share_of_one());
    }
    return common + rest;
}

// The share of rows whose value is the member or an ancestor of it.
double share_over(const Statistics& containers, AddressView member) {
    double common = 0;
    double unseen = static_cast<double>(core::depth(member)) + 1;
    for (std::size_t i = 0; i < containers.common.size(); ++i) {
        if (core::within(member, address_view(containers.common[i]))) {
            common += containers.common_shares[i];
            unseen -= 1;
        }
    }
    return common + std::min(containers.rest(), std::max(unseen, 0.0) * containers.share_of_one());
}

// Every n-th element of a list, so that at most most_samples are examined.
std::size_t stride(std::size_t count) {
    return count / most_samples + 1;
}

// The mean of share_under over the containers that the statistics of their column predict.
double mean_share_under(const Statistics& members, const Statistics& containers) {
    if (!members.known || !containers.known || (containers.common.empty() && containers.bounds.empty())) {
        return unknown_share;
    }
    double common_mean = 0, common_weight = 0;
    for (std::size_t i = 0; i < containers.common.size(); i += stride(containers.common.size())) {
        const auto weight = static_cast<double>(containers.common_shares[i]);
        common_mean += weight * share_under(members, address_view(containers.common[i]));
        common_weight += weight;
    }
    double rest_mean = 0, rest_count = 0;
    for (std::size_t i = 0; i < containers.bounds.size(); i += stride(containers.bounds.size())) {
        rest_mean += share_under(members, AddressView(containers.bounds[i]));
        rest_count += 1;
    }
    // If one kind is missing, the other replaces it.
    common_mean = common_weight > 0 ? common_mean / common_weight : rest_mean / rest_count;
    rest_mean = rest_count > 0 ? rest_mean / rest_count : common_mean;
    return containers.common_total * common_mean + containers.rest() * rest_mean;
}

// The X in subtree_start(X); any other expression unchanged.
Node* inside_bound(Node* expression) {
    const bool is_bound = is_funcclause(expression) && getBaseType(exprType(expression)) != address_oid();
    return is_bound ? static_cast<Node*>(linitial(reinterpret_cast<FuncExpr*>(expression)->args))
                    : expression;
}

double restriction(PlannerInfo* root, List* arguments, int relation, Oid function, Member member) {
    VariableStatData variable;
    Node* other = nullptr;
    bool variable_is_first = false;
    if (!get_restriction_variable(root, arguments, relation, &variable, &other, &variable_is_first)) {
        return unknown_share;
    }
    const Statistics statistics = read_statistics(variable, function);
    const bool variable_is_member = variable_is_first == (member == Member::first);
    double share = unknown_share;
    if (!IsA(other, Const)) {
        // A parameter has no known value. For a column of an outer row (in a nested loop), take its mean.
        VariableStatData outer;
        examine_variable(root, inside_bound(other), 0, &outer);
        const Statistics others = read_statistics(outer, function);
        share =
            variable_is_member ? mean_share_under(statistics, others) : mean_share_under(others, statistics);
        ReleaseVariableStats(outer);
    } else if (reinterpret_cast<Const*>(other)->constisnull) {
        share = 0; // the operators are strict
    } else {
        const AddressView known = address_view(reinterpret_cast<Const*>(other)->constvalue);
        if (statistics.known) {
            share = variable_is_member ? share_under(statistics, known) : share_over(statistics, known);
        } else if (variable_is_member && known.is_root()) {
            share = 1;
        }
    }
    ReleaseVariableStats(variable);
    return std::clamp(share, 0.0, 1.0);
}

double join(PlannerInfo* root, List* arguments, SpecialJoinInfo* info, Oid function, Member member) {
    VariableStatData first, second;
    bool reversed = false;
    get_join_variables(root, arguments, info, &first, &second, &reversed);
    const Statistics members = read_statistics(member == Member::first ? first : second, function);
    const Statistics containers = read_statistics(member == Member::first ? second : first, function);
    double share = mean_share_under(members, containers);

    // A semijoin asks for the share of outer rows that find any partner among the inner ones.
    if (info != nullptr && (info->jointype == JOIN_SEMI || info->jointype == JOIN_ANTI)) {
        const VariableStatData& inner = reversed ? first : second;
        if (inner.rel != nullptr) {
            share *= std::max(inner.rel->rows, 1.0);
        }
    }
    ReleaseVariableStats(first);
    ReleaseVariableStats(second);
    return std::clamp(share, 0.0, 1.0);
}

// --- entries ---

template <Member member> Datum support(FunctionCallInfo fcinfo) {
    auto* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
    if (IsA(request, SupportRequestIndexCondition)) {
        PG_RETURN_POINTER(index_condition(*reinterpret_cast<SupportRequestIndexCondition*>(request), member));
    }
    // For address_within(a, b) written as a call; the operators have their own estimators.
    if (IsA(request, SupportRequestSelectivity)) {
        auto& asked = *reinterpret_cast<SupportRequestSelectivity*>(request);
        asked.selectivity = asked.is_join
                                ? join(asked.root, asked.args, asked.sjinfo, asked.funcid, member)
                                : restriction(asked.root, asked.args, asked.varRelid, asked.funcid, member);
        PG_RETURN_POINTER(request);
    }
    PG_RETURN_POINTER(nullptr);
}

template <Member member> Datum restriction(FunctionCallInfo fcinfo) {
    auto* root = reinterpret_cast<PlannerInfo*>(PG_GETARG_POINTER(0));
    auto* arguments = reinterpret_cast<List*>(PG_GETARG_POINTER(2));
    PG_RETURN_FLOAT8(restriction(root, arguments, PG_GETARG_INT32(3), get_opcode(PG_GETARG_OID(1)), member));
}

template <Member member> Datum join(FunctionCallInfo fcinfo) {
    auto* root = reinterpret_cast<PlannerInfo*>(PG_GETARG_POINTER(0));
    auto* arguments = reinterpret_cast<List*>(PG_GETARG_POINTER(2));
    auto* info = reinterpret_cast<SpecialJoinInfo*>(PG_GETARG_POINTER(4));
    PG_RETURN_FLOAT8(join(root, arguments, info, get_opcode(PG_GETARG_OID(1)), member));
}

// An index range has two conditions. The estimate for the first covers both, and the second counts as 1.
Datum range_end_restriction(FunctionCallInfo) {
    PG_RETURN_FLOAT8(1.0);
}

} // namespace

SQL_FUNCTION_AS(within_support, support<Member::first>);
SQL_FUNCTION_AS(contains_support, support<Member::second>);
SQL_FUNCTION_AS(within_restriction, restriction<Member::first>);
SQL_FUNCTION_AS(contains_restriction, restriction<Member::second>);
SQL_FUNCTION_AS(range_start_restriction, restriction<Member::first>);
SQL_FUNCTION(range_end_restriction);
SQL_FUNCTION_AS(within_join, join<Member::first>);
SQL_FUNCTION_AS(contains_join, join<Member::second>);

} // namespace cloudsat::board
