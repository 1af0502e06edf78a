#include "harness/publish/export/nccl_tests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Record collective(std::int64_t bytes, double seconds, const char* placement, const char* workload = "all_reduce") {
  Record record = ok_record(64, "nccl", seconds);
  record.point.workload = workload;
  record.point.dtype = DType::f32;
  record.point.axes = {{"bytes", bytes}, {"ranks", std::int64_t(8)}, {"placement", std::string(placement)}};
  record.work = {0, double(bytes), "", 1.75};
  return record;
}

/// A row as scripts read it: split at blanks.
struct Row {
  double size = 0, count = 0;
  std::string type, redop;
  int root = 0;
  std::vector<std::string> numbers;  // time, algbw, busbw, #wrong of either placement
};

// The expressions that known readers of nccl-tests use: one row of thirteen fields, and the two footers.
std::vector<Row> rows_of(const std::string& text) {
  static const std::regex row(
      R"(^\s*(\d+)\s+(\d+)\s+(\w+)\s+(\w+)\s+(-?\d+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$)");
  std::vector<Row> out;
  std::istringstream lines(text);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, match, row)) {
      EXPECT_THAT(line, testing::StartsWith("#")) << "all else is a comment";
      continue;
    }
    Row one{std::stod(match[1]), std::stod(match[2]), match[3], match[4], std::stoi(match[5]), {}};
    for (std::size_t i = 6; i < match.size(); ++i) one.numbers.push_back(match[i]);
    out.push_back(one);
  }
  return out;
}

std::vector<std::string> all_matches(const std::string& text, const std::regex& pattern) {
  std::vector<std::string> out;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) out.push_back((*at)[1]);
  return out;
}

std::vector<std::string> out_of_bounds(const std::string& text) {
  return all_matches(text, std::regex("# Out of bounds values : (\\d+ (?:OK|FAILED))\n"));
}
std::vector<std::string> average(const std::string& text) {
  return all_matches(text, std::regex("# Avg bus bandwidth    : (\\d+(?:\\.\\d+)?)\\s*\n"));
}

TEST(NcclTests, ReadersFindRowsAndFooters) {
  const std::string text = to_nccl_tests(
      {sample_result({collective(1 << 20, 20e-6, "out_of_place"), collective(1 << 30, 4e-3, "out_of_place"),
                      collective(1 << 20, 25e-6, "in_place")})});
  const auto rows = rows_of(text);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].size, 1 << 20);
  EXPECT_EQ(rows[0].count, 1 << 18);
  EXPECT_EQ(rows[0].type, "float");
  EXPECT_EQ(rows[0].redop, "sum");
  EXPECT_EQ(rows[0].root, -1);
  EXPECT_THAT(rows[0].numbers, ElementsAre("20.00", "52.43", "91.75", "0", "25.00", "41.94", "73.40", "0"));
  EXPECT_THAT(rows[1].numbers, ElementsAre("4000.0", "268.44", "469.76", "0", "N/A", "N/A", "N/A", "N/A"))
      << "a placement that was not measured is no number";
  EXPECT_THAT(out_of_bounds(text), ElementsAre("0 OK"));
  ASSERT_THAT(average(text), SizeIs(1));
  EXPECT_NEAR(std::stod(average(text)[0]), (91.75 + 469.76 + 73.40) / 3, 0.01) << "over rows and placements";
}

// Widths as readers that cut at columns expect them.
TEST(NcclTests, Layout) {
  const std::string text = to_nccl_tests(
      {sample_result({collective(1 << 20, 20e-6, "out_of_place"), collective(1 << 20, 25e-6, "in_place")})});
  EXPECT_THAT(text, HasSubstr("\n#       size         count      type   redop    root     time   algbw   busbw #wrong"
                              "     time   algbw   busbw #wrong\n"));
  EXPECT_THAT(text, HasSubstr("\n#        (B)    (elements)                               (us)  (GB/s)  (GB/s)"
                              "            (us)  (GB/s)  (GB/s)\n"));
  EXPECT_THAT(text, HasSubstr("\n     1048576        262144     float     sum      -1    20.00   52.43   91.75      0"
                              "    25.00   41.94   73.40      0\n"));
}

// A file's number of bytes is any that JSON holds; a column of them is one of integers.
TEST(NcclTests, MoreBytesThanAnIntegerHoldsAreTheMostThatAreShown) {
  Record large = collective(1 << 20, 20e-6, "out_of_place");
  large.work.bytes = 1e300;
  const auto rows = rows_of(to_nccl_tests({sample_result({large})}));
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].size, 1e18);
}

TEST(NcclTests, CountsAndReductionsOfEachOperation) {
  const std::string text = to_nccl_tests({sample_result({collective(1 << 20, 1e-3, "out_of_place", "all_gather"),
                                                         collective(1 << 20, 1e-3, "out_of_place", "reduce_scatter"),
                                                         collective(1 << 20, 1e-3, "out_of_place", "broadcast"),
                                                         collective(1 << 20, 1e-3, "out_of_place", "all_to_all"),
                                                         collective(1 << 20, 1e-3, "out_of_place", "send_recv")})});
  const auto rows = rows_of(text);
  ASSERT_THAT(rows, SizeIs(5));
  const auto expect = [&](std::size_t i, int count, const char* redop, int root) {
    EXPECT_EQ(rows[i].count, count) << i;
    EXPECT_EQ(rows[i].redop, redop) << i;
    EXPECT_EQ(rows[i].root, root) << i;
  };
  expect(0, 1 << 15, "none", -1);
  expect(1, 1 << 15, "sum", -1);
  expect(2, 1 << 18, "none", 0);
  expect(3, 1 << 15, "none", -1);
  expect(4, 1 << 18, "none", -1);
}

// Scripts look at the footer alone: whatever went wrong must be in it.
TEST(NcclTests, TheFooterFailsWhereNumbersAreWrongOrMissing) {
  Record wrong = collective(1 << 20, 1e-3, "out_of_place");
  wrong.check = sample_check(7);
  wrong.outcome = {OutcomeKind::wrong, "wrong"};
  const std::string with_wrong = to_nccl_tests({sample_result({collective(1 << 10, 1e-3, "out_of_place"), wrong})});
  EXPECT_THAT(out_of_bounds(with_wrong), ElementsAre("1 FAILED"));
  EXPECT_EQ(rows_of(with_wrong)[1].numbers[3], "3");

  Record timed_out = collective(1 << 20, 1e-3, "out_of_place");
  timed_out.measurement = {};
  timed_out.check.reset();
  timed_out.outcome = {OutcomeKind::timed_out, "too long"};
  EXPECT_THAT(out_of_bounds(to_nccl_tests({sample_result({collective(1 << 10, 1e-3, "out_of_place"), timed_out})})),
              ElementsAre("1 FAILED"));

  Record skipped = timed_out;
  skipped.outcome = {OutcomeKind::skipped, "needs\nGPUs"};
  const std::string only_skipped = to_nccl_tests({sample_result({skipped})});
  EXPECT_THAT(out_of_bounds(only_skipped), ElementsAre("0 FAILED")) << "nothing measured is no pass";
  EXPECT_THAT(average(only_skipped), ElementsAre("0"));
  EXPECT_THAT(only_skipped, HasSubstr("\n# skipped, 1 case: needs GPUs\n"));
  EXPECT_THAT(rows_of(only_skipped), IsEmpty());
  EXPECT_THAT(out_of_bounds(to_nccl_tests({sample_result({skipped, collective(1 << 10, 1e-3, "in_place")})})),
              ElementsAre("0 OK"))
      << "what cannot run here is not a failure";
}

TEST(NcclTests, OtherWorkloadsAreNotInIt) {
  const std::string text = to_nccl_tests({sample_result({ok_record()})});
  EXPECT_THAT(text, Not(HasSubstr("gemm")));
  EXPECT_THAT(out_of_bounds(text), ElementsAre("0 FAILED"));
}

TEST(NcclTests, KernelsHaveTablesOfTheirOwn) {
  Record other = collective(1 << 20, 1e-3, "out_of_place");
  other.point.kernel = "openmpi";
  const std::string text = to_nccl_tests({sample_result({collective(1 << 20, 1e-3, "out_of_place"), other})});
  EXPECT_THAT(all_matches(text, std::regex("\n# all_reduce, kernel (\\w+),")), ElementsAre("nccl", "openmpi"));
  EXPECT_THAT(out_of_bounds(text), SizeIs(1)) << "and one footer";
}

}  // namespace
}  // namespace assay
