// A verdict's texts: JUnit, Prometheus, JSON and the terminal's lines.
#include "harness/publish/verdict_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

Judgement judgement(Standing standing, const std::string& id, const std::string& text) {
  Judgement j;
  j.standing = standing;
  j.result = "r.json";
  j.host = "node-1";
  j.id = id;
  j.text = text;
  return j;
}

Verdict mixed() {
  Judgement failed = judgement(Standing::fail, "gemm/slow", "GPU 3: 7.1 % slower: check cooling");
  failed.measured = 0.7e15;
  failed.expected = 1e15;
  failed.cause = Cause{CauseCode::thermal, "hot", Action::drain};
  Verdict verdict{{judgement(Standing::pass, "gemm/right", "fine"), failed,
                   judgement(Standing::could_not_measure, "gemm/\"odd\\name\"", "<skipped> & \x01 gone\nfor\xff good"),
                   judgement(Standing::not_judged, "gemm/unknown", "nobody said")}};
  verdict.sort_worst_first();
  return verdict;
}

TEST(VerdictTexts, TheTerminalSeesTheWorstFirstAndTheVerdictLast) {
  const std::string text = to_console(mixed());
  EXPECT_EQ(text.find("fail               gemm/slow: GPU 3: 7.1 % slower: check cooling\n"), 0u) << text;
  EXPECT_LT(text.find("could not measure"), text.find("not judged"));
  EXPECT_LT(text.find("not judged"), text.find("pass "));
  EXPECT_THAT(text, testing::EndsWith("FAIL: 1 fail, 1 could not be measured, 1 pass, 1 not judged\n"));
}

TEST(VerdictTexts, JUnitKeepsFailureErrorAndSkippedApart) {
  const std::string xml = to_junit(mixed());
  EXPECT_THAT(xml, HasSubstr("tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\""));
  EXPECT_THAT(xml, HasSubstr("<failure message=\"GPU 3: 7.1 % slower: check cooling\" type=\"thermal\"/>"));
  EXPECT_THAT(xml,
              HasSubstr("<error message=\"&lt;skipped&gt; &amp; ? gone&#10;for? good\" type=\"could_not_measure\"/>"));
  EXPECT_THAT(xml, HasSubstr("<skipped message=\"nobody said\"/>"));
  EXPECT_THAT(xml, HasSubstr("name=\"gemm/&quot;odd\\name&quot;\""));
  EXPECT_THAT(xml, HasSubstr("name=\"gemm/right\"/>"));
}

/// The text format's grammar: comments before their metric's samples, names, labels quoted, a number; no series twice.
TEST(VerdictTexts, PrometheusIsWellFormed) {
  Verdict verdict = mixed();
  verdict.judgements.push_back(verdict.judgements.front());  // the same case of the same result again
  const std::regex sample(R"re(([a-z_]+)(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+-]+))re");
  const std::regex comment(R"(# (HELP|TYPE) ([a-z_]+) .+)");
  std::set<std::string> series;
  std::string type_of;
  std::istringstream lines(to_prometheus(verdict));
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, comment)) {
      type_of = match[2];
      continue;
    }
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_EQ(match[1], type_of) << line;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
  EXPECT_GT(series.size(), 7u);
  EXPECT_THAT(to_prometheus(verdict), HasSubstr("assay_check_exit_code 1\n"));
  EXPECT_THAT(to_prometheus(verdict), HasSubstr("expectation=\"\"} 0.7\n"));
}

TEST(VerdictTexts, JsonHoldsWhatWasSaid) {
  const auto json = nlohmann::json::parse(to_json(mixed()));
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["cases"].size(), 4u);
  EXPECT_EQ(json["cases"][0]["standing"], "fail");
  EXPECT_EQ(json["cases"][0]["cause"], "thermal");
  EXPECT_EQ(json["cases"][0]["action"], "drain");
  EXPECT_TRUE(json["cases"][1]["measured"].is_null());
}

}  // namespace
}  // namespace assay
