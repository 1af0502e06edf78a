// Short ways to say what a suite's text becomes, or how it is refused.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/suite/suite.h"
#include "tests/harness/suite/fake_catalog.h"

namespace assay {

/// "1,2,...,n"
inline std::string numbers_up_to(int n) {
  std::vector<int> numbers;
  for (int i = 1; i <= n; ++i) numbers.push_back(i);
  return fmt::format("{}", fmt::join(numbers, ","));
}

/// A suite around entries: `entries` is the inside of "cases".
inline std::string suite_text(const std::string& entries, const std::string& more = "") {
  return R"({"schema": "assay-suite/1", "name": "t", )" + more + R"("cases": [)" + entries + "]}";
}

inline std::vector<AxisOverride> overrides(const std::vector<std::string>& texts) {
  std::vector<AxisOverride> out;
  for (const auto& text : texts) out.push_back(parse_override(text));
  return out;
}

inline Suite parse_text(const std::string& text, const std::vector<std::string>& set = {}, int gpus = 0) {
  return parse_suite(text, "t.json", fake_catalog(), DevicesPresent{gpus}, overrides(set));
}

inline std::vector<std::string> ids_of(const Suite& suite) {
  std::vector<std::string> ids;
  for (const auto& point : suite.cases) ids.push_back(point.id());
  return ids;
}

inline std::vector<std::string> ids(const std::string& entries, const std::vector<std::string>& set = {},
                                    int gpus = 0) {
  return ids_of(parse_text(suite_text(entries), set, gpus));
}

/// The message a text is refused with; fails where it is not.
inline std::string refusal(const std::string& text, const std::vector<std::string>& set = {}, int gpus = 0,
                           ExitCode code = ExitCode::bad_input) {
  try {
    parse_text(text, set, gpus);
  } catch (const Error& error) {
    EXPECT_EQ(int(error.code), int(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return {};
}

}  // namespace assay
