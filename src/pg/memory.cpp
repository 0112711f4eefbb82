// Memory of the server for C++, see memory.hpp.

#include "pg/memory.hpp"

#include <cstddef>
#include <cstdint>

namespace cloudsat::pg {

MemoryContext new_context(MemoryContext parent, const char* name) {
    // not AllocSetContextCreate, whose check for a literal name is a GNU extension
    return AllocSetContextCreateInternal(parent, name, ALLOCSET_DEFAULT_SIZES);
}

void* allocate(MemoryContext context, std::size_t bytes) {
    // An oversized request raises even with NO_OOM, so it is rejected here.
    if (bytes > MaxAllocHugeSize) {
        throw std::bad_alloc();
    }
    void* block = MemoryContextAllocExtended(context, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    return block;
}

// palloc aligns to MAXALIGN, which may be half of what std::max_align_t, and so every std memory resource
// user here, requires. In that case the block begins later, and the pointer from palloc is stored before it.
void* ContextResource::do_allocate(std::size_t bytes, std::size_t alignment) {
    if (alignment <= MAXIMUM_ALIGNOF) {
        return pg::allocate(context_, bytes);
    }
    if (alignment > alignof(std::max_align_t) || bytes > MaxAllocHugeSize - alignment) {
        throw std::bad_alloc();
    }
    static_assert(sizeof(void*) <= MAXIMUM_ALIGNOF);
    auto* block = static_cast<char*>(pg::allocate(context_, bytes + alignment));
    const auto place = reinterpret_cast<std::uintptr_t>(block) + MAXIMUM_ALIGNOF;
    auto* aligned = block + MAXIMUM_ALIGNOF + (alignment - place % alignment) % alignment;
    *(reinterpret_cast<void**>(aligned) - 1) = block;
    return aligned;
}

void ContextResource::do_deallocate(void* block, std::size_t, std::size_t alignment) {
    pfree(alignment <= MAXIMUM_ALIGNOF ? block : *(static_cast<void**>(block) - 1));
}

bool ContextResource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
    const auto* that = dynamic_cast<const ContextResource*>(&other);
    return that != nullptr && that->context_ == context_;
}

} // namespace cloudsat::pg
