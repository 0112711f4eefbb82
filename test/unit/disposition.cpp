// Dispositions: names in and out, their order, which ones are final.

#include "core/board/disposition.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

using namespace cloudsat::core;

TEST(Disposition, NamesInAndOut) {
    for (const DispositionEntry& entry : dispositions) {
        EXPECT_EQ(parse_disposition(entry.name), entry.value);
        EXPECT_EQ(name_of(entry.value), entry.name);
        std::string upper;
        for (char byte : entry.name) {
            upper += static_cast<char>(byte - 'a' + 'A');
        }
        EXPECT_EQ(parse_disposition(upper), entry.value);
    }
    EXPECT_EQ(parse_disposition("Acknowledged"), Disposition::acknowledged);
    EXPECT_EQ(parse_disposition("done"), Disposition::end);
    EXPECT_EQ(parse_disposition("DONE"), Disposition::end);
}

TEST(Disposition, Refused) {
    using namespace std::string_view_literals;
    for (std::string_view bad :
         {""sv, " end"sv, "end "sv, "en"sv, "ends"sv, "ack"sv, "end\0"sv, "\xc3\xa9nd"sv, "1"sv}) {
        EXPECT_FALSE(parse_disposition(bad)) << testing::PrintToString(bad);
    }
    EXPECT_FALSE(parse_disposition(std::string(1'000'000, 'e')));
}

TEST(Disposition, Order) {
    using enum Disposition;
    const std::vector<Disposition> order{ignored, acknowledged, info, problem, belay, end};
    for (std::size_t i = 1; i < order.size(); ++i) {
        EXPECT_LT(order[i - 1], order[i]);
    }
    EXPECT_EQ(static_cast<int>(ignored), 1) << "the byte on disk";
    EXPECT_EQ(static_cast<int>(end), 6) << "the byte on disk";
}

TEST(Disposition, EveryByte) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const auto value = disposition_of_byte(static_cast<std::uint8_t>(byte));
        EXPECT_EQ(value.has_value(), byte >= 1 && byte <= 6) << byte;
        if (value) {
            EXPECT_EQ(static_cast<unsigned>(*value), byte);
        }
    }
}

TEST(Disposition, FinalOnes) {
    using enum Disposition;
    EXPECT_FALSE(is_final(ignored));
    EXPECT_FALSE(is_final(acknowledged));
    EXPECT_FALSE(is_final(info));
    EXPECT_TRUE(is_final(problem));
    EXPECT_TRUE(is_final(belay));
    EXPECT_TRUE(is_final(end));
}
