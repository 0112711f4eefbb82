// A clock that a measurement can move. Preloaded into a server (LD_PRELOAD), it adds the seconds in the file
// SHIFTED_CLOCK, a 64-bit integer, to the time of day. It does not affect waiting.

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ctime>
#include <unistd.h>

namespace {

const volatile std::int64_t no_shift = 0;

const volatile std::int64_t* open_shift() noexcept {
    const char* path = std::getenv("SHIFTED_CLOCK");
    const int file = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return &no_shift;
    }
    void* place = mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    return place == MAP_FAILED ? &no_shift : static_cast<const volatile std::int64_t*>(place);
}

std::int64_t shift() noexcept {
    static const volatile std::int64_t* const place = open_shift();
    return *place;
}

} // namespace

extern "C" int gettimeofday(struct timeval* time, void* zone) noexcept {
    const auto result = static_cast<int>(syscall(SYS_gettimeofday, time, zone));
    if (result == 0 && time != nullptr) {
        time->tv_sec += shift();
    }
    return result;
}

extern "C" int clock_gettime(clockid_t clock, struct timespec* time) noexcept {
    const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
    if (result == 0 && clock == CLOCK_REALTIME) {
        time->tv_sec += shift();
    }
    return result;
}

extern "C" time_t time(time_t* place) noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (place != nullptr) {
        *place = now.tv_sec;
    }
    return now.tv_sec;
}
