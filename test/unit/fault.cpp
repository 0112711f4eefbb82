// Names and classes of faults, and what HTTP statuses and content types come to.
#include "core/base/fault.hpp"

#include <gtest/gtest.h>
#include <set>

namespace {

using namespace cloudsat::core;

TEST(Fault, NamesAreDistinct) {
    std::set<std::string_view> names;
    for (const auto& entry : fault_table) {
        EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
        EXPECT_EQ(name_of(entry.kind), entry.name);
        EXPECT_FALSE(meaning_of(entry.kind).empty());
    }
}

TEST(Fault, ARefusedConnectionNamesThePluginToEnable) {
    EXPECT_NE(plugin_hint(FaultKind::refused, Plugin::management).find("enable rabbitmq_management\""),
              std::string_view::npos);
    EXPECT_NE(plugin_hint(FaultKind::refused, Plugin::prometheus).find("enable rabbitmq_prometheus\""),
              std::string_view::npos);
    for (const auto& entry : fault_table) {
        if (entry.kind != FaultKind::refused) {
            EXPECT_TRUE(plugin_hint(entry.kind, Plugin::management).empty()) << entry.name;
            EXPECT_TRUE(plugin_hint(entry.kind, Plugin::prometheus).empty()) << entry.name;
        }
    }
}

TEST(Fault, StatusTable) {
    const std::pair<int, FaultKind> table[] = {
        {200, FaultKind::none},
        {201, FaultKind::none},
        {204, FaultKind::none},
        {299, FaultKind::none},
        {301, FaultKind::redirect},
        {302, FaultKind::redirect},
        {304, FaultKind::redirect},
        {400, FaultKind::bad_request},
        {401, FaultKind::unauthorized},
        {403, FaultKind::forbidden},
        {404, FaultKind::not_found},
        {405, FaultKind::unexpected_status},
        {429, FaultKind::unexpected_status},
        {500, FaultKind::server_error},
        {503, FaultKind::server_error},
        {599, FaultKind::server_error},
        {600, FaultKind::unexpected_status},
        {0, FaultKind::unexpected_status},
        {100, FaultKind::unexpected_status},
        {-1, FaultKind::unexpected_status},
    };
    for (const auto& [status, kind] : table)
        EXPECT_EQ(fault_of_status(status), kind) << status;
}

TEST(Fault, ContentOfJsonAnswers) {
    const auto kind = [](std::string_view type, std::string_view body) {
        return check_content(Expect::json, type, body).kind;
    };
    EXPECT_EQ(kind("application/json", "[]"), FaultKind::none);
    EXPECT_EQ(kind("Application/JSON; charset=utf-8", "[]"), FaultKind::none);
    EXPECT_EQ(kind("application/json", ""), FaultKind::not_json);
    EXPECT_EQ(kind("text/html", "[]"), FaultKind::not_json);
    EXPECT_EQ(kind("application/jsonp", "[]"), FaultKind::not_json);
    EXPECT_EQ(kind("", "[]"), FaultKind::not_json);
}

TEST(Fault, ContentOfMetricsAnswers) {
    const auto kind = [](std::string_view type, std::string_view body) {
        return check_content(Expect::metrics, type, body).kind;
    };
    EXPECT_EQ(kind("text/plain; version=0.0.4", "a 1\n"), FaultKind::none);
    EXPECT_EQ(kind("application/openmetrics-text", "a 1\n"), FaultKind::none);
    EXPECT_EQ(kind("text/plain", ""), FaultKind::not_metrics);
    EXPECT_EQ(kind("text/html", "a 1\n"), FaultKind::not_metrics);
    EXPECT_EQ(check_content(Expect::anything, "", "").kind, FaultKind::none);
}

} // namespace
