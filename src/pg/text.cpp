// Text and array values as C++ views, see text.hpp.

#include "pg/text.hpp"

extern "C" {
#include "utils/lsyscache.h"
}

namespace cloudsat::pg {

std::string_view view(Datum text_value) {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(text_value));
    value = pg_detoast_datum_packed(value);
    return {VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))};
}

Datum to_text(std::string_view bytes) {
    return PointerGetDatum(cstring_to_text_with_len(bytes.data(), static_cast<int>(bytes.size())));
}

Elements elements(Datum array, Oid element_type) {
    ArrayType* value = DatumGetArrayTypeP(array);
    int16 length;
    bool by_value;
    char alignment;
    get_typlenbyvalalign(element_type, &length, &by_value, &alignment);
    Datum* values = nullptr;
    bool* nulls = nullptr;
    int count = 0;
    deconstruct_array(value, element_type, length, by_value, alignment, &values, &nulls, &count);
    auto size = static_cast<std::size_t>(count);
    return {{values, size}, {nulls, size}};
}

void require_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    if (fcinfo->args[number].isnull) {
        ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name));
    }
}

void require_arguments(FunctionCallInfo fcinfo, std::initializer_list<const char*> names) {
    int number = 0;
    for (const char* name : names) {
        require_argument(fcinfo, number++, name);
    }
}

const TriggerData& require_trigger(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                errmsg("this is a trigger function"));
    }
    return *reinterpret_cast<const TriggerData*>(fcinfo->context);
}

Oid argument_type(FunctionCallInfo fcinfo, int number) {
    Oid* types = nullptr;
    int count = 0;
    get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
    return types[number];
}

} // namespace cloudsat::pg
