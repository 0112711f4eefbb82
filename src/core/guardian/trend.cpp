// Trend of a size; see trend.hpp.

#include "core/guardian/trend.hpp"

#include <algorithm>

namespace cloudsat::core {
namespace {

constexpr double minute = 60.0 * static_cast<double>(micros_per_second);
constexpr double century = 100.0 * 365.25 * 24 * 60; // in minutes

} // namespace

std::optional<Trend> trend_of(std::span<const HistoryPoint> points, Micros from, Micros to) noexcept {
    // Points before the window give the size at its beginning.
    while (points.size() > 1 && points[1].at <= from) {
        points = points.subspan(1);
    }
    if (points.empty()) {
        return std::nullopt;
    }
    const Micros begin = std::max(from, points.front().at);
    if (to - begin < shortest_history) {
        return std::nullopt;
    }
    // In minutes from the middle of the window and messages from the first point, so that sums stay small.
    const double half = static_cast<double>(to - begin) / minute / 2;
    const auto first = static_cast<double>(points.front().size);
    double sum = 0, squares = 0, moment = 0;
    for (std::size_t i = 0; i < points.size() && points[i].at < to; ++i) {
        const Micros start = std::max(points[i].at, begin);
        const Micros end = i + 1 < points.size() ? std::clamp(points[i + 1].at, start, to) : to;
        const double a = static_cast<double>(start - begin) / minute - half;
        const double b = static_cast<double>(end - begin) / minute - half;
        const double size = static_cast<double>(points[i].size) - first;
        sum += size * (b - a);
        squares += size * size * (b - a);
        moment += size * (b * b - a * a) / 2;
    }
    const double length = 2 * half;
    const double mean = sum / length;
    const double slope = moment * 12 / (length * length * length);
    const double variance = squares / length - mean * mean;
    const double explained = slope * slope * length * length / 12;
    return Trend{.growth = slope, .steady = explained > 0 && explained >= variance / 2, .span = to - begin};
}

std::optional<Micros> time_to(std::int64_t limit, std::int64_t size, double growth) noexcept {
    if (size > limit) {
        return 0;
    }
    const double minutes = (static_cast<double>(limit) - static_cast<double>(size)) / growth;
    if (!(growth > 0) || !(minutes < century)) {
        return std::nullopt;
    }
    return static_cast<Micros>(minutes * minute);
}

} // namespace cloudsat::core
