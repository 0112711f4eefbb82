// A value that belongs to the session and follows its transactions: a new value is taken back if its
// transaction or savepoint rolls back. Knows nothing about values: it destroys them by a given function,
// which must not fail. One object for the whole process.
#pragma once

#include <new>

#include "pg/boundary.hpp"

namespace cloudsat::board {

template <class T> class SessionState {
public:
    // `refusal`: the error of PREPARE TRANSACTION after a change.
    constexpr SessionState(void (*destroyer)(T*), const char* refusal)
        : destroy_(destroyer), refusal_(refusal) {}

    // To be called once, from _PG_init.
    void watch() {
        RegisterXactCallback(
            [](XactEvent event, void* self) { static_cast<SessionState*>(self)->at_transaction_end(event); },
            this);
        RegisterSubXactCallback(
            [](SubXactEvent event, SubTransactionId, SubTransactionId, void* self) {
                static_cast<SessionState*>(self)->at_subtransaction_end(event);
            },
            this);
    }

    T* current() const { return current_; } // null if there is none
    T* at_begin() const {                   // the value when the transaction began
        const Saved* first = saved_;
        while (first != nullptr && first->next != nullptr) {
            first = first->next;
        }
        return first != nullptr ? first->before : current_;
    }

    // Takes effect now. After the first line nothing can fail.
    void put(T* next) {
        const int level = GetCurrentTransactionNestLevel();
        if (saved_ == nullptr || saved_->level < level) {
            saved_ = new (MemoryContextAlloc(TopMemoryContext, sizeof(Saved))) Saved{level, current_, saved_};
        } else {
            destroy(current_); // made at this level, so no rollback returns to it
        }
        current_ = next;
    }

private:
    // The values of `current_` before each transaction nesting level first changed it, innermost level first.
    // Empty outside transactions.
    struct Saved {
        int level;
        T* before;
        Saved* next;
    };

    void at_transaction_end(XactEvent event) {
        if (event == XACT_EVENT_PRE_PREPARE && saved_ != nullptr) {
            ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", refusal_));
        }
        if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE) {
            while (saved_ != nullptr) {
                destroy(saved_->before);
                drop_saved();
            }
        } else if (event == XACT_EVENT_ABORT) {
            while (saved_ != nullptr) {
                roll_back_level();
            }
        }
    }
    void at_subtransaction_end(SubXactEvent event) {
        const int level = GetCurrentTransactionNestLevel(); // of the one that ends
        if (saved_ == nullptr || saved_->level < level) {
            return;
        }
        if (event == SUBXACT_EVENT_ABORT_SUB) {
            roll_back_level();
        } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
            if (saved_->next != nullptr && saved_->next->level == level - 1) {
                destroy(saved_->before); // the parent has saved its own
                drop_saved();
            } else {
                saved_->level = level - 1;
            }
        }
    }

    void destroy(T* value) {
        if (value != nullptr) {
            destroy_(value);
        }
    }
    void drop_saved() {
        Saved* top = saved_;
        saved_ = top->next;
        pfree(top);
    }
    void roll_back_level() {
        destroy(current_);
        current_ = saved_->before;
        drop_saved();
    }

    void (*destroy_)(T*);
    const char* refusal_;
    T* current_ = nullptr;
    Saved* saved_ = nullptr;
};

} // namespace cloudsat::board
