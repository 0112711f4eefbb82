// Server memory for C++: a memory_resource over a MemoryContext, and objects that a context owns. Only
// new_context raises. The others throw std::bad_alloc if memory is exhausted, and the boundary reports it.
#pragma once

#include <memory_resource>
#include <new>
#include <utility>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// Containers of core/ use it, so their memory shows in pg_backend_memory_contexts and is freed with the
// query.
class ContextResource final : public std::pmr::memory_resource {
public:
    explicit ContextResource(MemoryContext context) noexcept : context_(context) {}

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

    MemoryContext context_;
};

// A child context of this one, with the usual block sizes. Like palloc, raises if memory is exhausted. The
// name must be a literal.
MemoryContext new_context(MemoryContext parent, const char* name);

// Memory in the context. Never raises; throws std::bad_alloc.
void* allocate(MemoryContext context, std::size_t bytes);

// Makes a T in the context. It is destroyed when the context is reset or deleted; the destructor must not
// raise.
template <class T, class... Arguments> T* make(MemoryContext context, Arguments&&... arguments) {
    static_assert(alignof(T) <= MAXIMUM_ALIGNOF, "palloc aligns to MAXALIGN only");
    void* place = allocate(context, sizeof(T));
    if constexpr (std::is_trivially_destructible_v<T>) {
        return new (place) T(std::forward<Arguments>(arguments)...);
    } else { // first the callback's memory, so nothing can fail once the object exists
        auto* callback =
            static_cast<MemoryContextCallback*>(allocate(context, sizeof(MemoryContextCallback)));
        T* object = new (place) T(std::forward<Arguments>(arguments)...);
        callback->func = [](void* made) { static_cast<T*>(made)->~T(); };
        callback->arg = object;
        MemoryContextRegisterResetCallback(context, callback);
        return object;
    }
}

} // namespace cloudsat::pg
