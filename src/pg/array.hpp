// A growing array in palloc'd memory, of any size. Plain: after an error its context frees it.
#pragma once

#include <span>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

template <class T> class Array {
public:
    void add(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        if (count_ == capacity_) {
            capacity_ = capacity_ == 0 ? 16 : capacity_ * 2;
            const Size bytes = capacity_ * sizeof(T);
            data_ = static_cast<T*>(data_ == nullptr ? MemoryContextAllocHuge(CurrentMemoryContext, bytes)
                                                     : repalloc_huge(data_, bytes));
        }
        data_[count_++] = value;
    }

    std::size_t size() const { return count_; }
    T& operator[](std::size_t number) const { return data_[number]; }
    std::span<T> span() const { return {data_, count_}; }

private:
    T* data_ = nullptr;
    std::size_t count_ = 0, capacity_ = 0;
};

} // namespace cloudsat::pg
