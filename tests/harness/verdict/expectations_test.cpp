// Expectations: the shipped ones, and the slips that a file is refused for.
#include "harness/verdict/expectations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/core/glob.h"
#include "harness/suite/suite.h"
#include "tests/harness/verdict/node_by_hand.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_expectations(text, "mine.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "taken";
}

TEST(Expectations, TheShippedOnesParseAndAreFoundByTheMachine) {
  std::vector<std::string> names;
  for (const auto& shipped : shipped_expectations()) {
    names.push_back(shipped.name);
    EXPECT_EQ(shipped.suite, "acceptance") << shipped.name;
    for (const auto& e : shipped.entries) EXPECT_FALSE(e.source.empty() || e.date.empty()) << e.name;
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"a100", "b200", "gb200", "h100", "h200"}));
  EXPECT_EQ(expectations_for(h200_node(8).provenance)->name, "h200");
  EXPECT_EQ(expectations_for(sample_provenance()), nullptr);
}

/// DCGM's floor of the H200's memory was 2333 MB/s: everybody passed.
TEST(Expectations, AFloorAThousandTimesTooLowIsRefused) {
  EXPECT_THAT(refusal(h200_text({entry("memory", "floor", "peak/*/gpu*/f32/*", "B/s", 2333e6, 0.1)})),
              AllOf(HasSubstr("mine.json"), HasSubstr("\"memory\""), HasSubstr("under 15 %")));
  EXPECT_EQ(refusal(h200_text({entry("memory", "floor", "peak/*/gpu*/f32/*", "B/s", 2333e9, 0.1)})), "taken");
}

/// DCGM's floors of the memory of an L40 and of a 64 GB H100 look ten times too low.
TEST(Expectations, AFloorTenTimesTooLowIsRefused) {
  for (const double share_of_h200s : {49.050 / 864, 122.25 / 3350, 0.1})
    EXPECT_THAT(
        refusal(h200_text({entry("memory", "floor", "peak/*/gpu*/f32/*", "B/s", share_of_h200s * 4.8e12, 0.1)})),
        HasSubstr("under 15 %"));
}

TEST(Expectations, AFloorAboveThePeakIsRefused) {
  const auto floor = [](const char* pattern, const char* unit, double value) {
    return refusal(h200_text({entry("e", "floor", pattern, unit, value, 0.1)}));
  };
  EXPECT_THAT(floor("gemm/*/gpu*/bf16/*", "FLOP/s", 1979e12), HasSubstr("is above"));  // with sparsity
  EXPECT_THAT(floor("gemm/*/gpu*/bf16/*", "FLOP/s", 790e15), HasSubstr("is above"));
  EXPECT_THAT(floor("gemm/*/gpu*/bf16/*", "FLOP/s", 790e9), HasSubstr("under 5 %"));
  EXPECT_THAT(floor("peak/*/gpu*/f32/*", "B/s", 5e12), HasSubstr("is above"));
  EXPECT_THAT(floor("all_reduce/*/gpu*/bf16/*", "bus B/s", 900e9), HasSubstr("is above"));  // both directions
  EXPECT_THAT(floor("all_reduce/*/gpu*/bf16/*", "bus B/s", 473e6), HasSubstr("under 5 %"));
  EXPECT_EQ(floor("all_reduce/*/gpu*/bf16/*", "bus B/s", 480e9), "taken");
}

TEST(Expectations, ContradictionsAreRefused) {
  const auto one = [](const std::string& e) { return refusal(h200_text({e})); };
  EXPECT_THAT(one(entry("e", "ratio", "gemm/*/gpu*/bf16/*", "FLOP/s", 0.8, 0.1)), HasSubstr("\"to\""));
  EXPECT_THAT(one(entry("e", "ratio", "gemm/*/gpu*/bf16/*", "FLOP/s", 80, 0.1, R"("per":"gpu","to":"datasheet")")),
              HasSubstr("cannot be"));
  EXPECT_THAT(one(entry("e", "floor", "gemm/*/cpu/bf16/*", "FLOP/s", 8e14, 0.1)), HasSubstr("another device"));
  EXPECT_THAT(one(entry("e", "floor", "gemm/*/gpu*/bf17/*", "FLOP/s", 8e14, 0.1)), HasSubstr("bf17"));
  EXPECT_THAT(one(entry("e", "spread", "gemm/*/gpu*/bf16/*", "FLOP/s", 1, 0.9)), HasSubstr("everything pass"));
  EXPECT_THAT(one(entry("e", "floor", "*", "FLOP/s", 8e14, 0.1)), HasSubstr("must begin with"));
  EXPECT_THAT(one(entry("e", "floor", "gemm/*/gpu*/bf16/*", "FLOP/s", 8e14, 1.0)), HasSubstr("tolerance"));
  EXPECT_THAT(refusal(h200_text({h200_entries()[0], h200_entries()[1], h200_entries()[0], h200_entries()[1]})),
              HasSubstr("there already"));
  EXPECT_THAT(refusal("{}"), HasSubstr("mine.json"));
  EXPECT_THAT(refusal(""), HasSubstr("mine.json"));
}

TEST(Expectations, ARatioIsOfTheDatasheetTheLibraryOrAnotherCase) {
  Result node = h200_node(1);
  Record ours = gpu_case("gemm", 0, 0.5 * kGemmRate);
  ours.point.kernel = "wgmma_sm90";
  node.records[0].vendor = true;
  node.records.push_back(ours);
  const auto standing = [&](const std::string& to, double value) {
    const Expectations e = parse_expectations(h200_text({entry("e", "ratio", "gemm/wgmma_sm90/gpu*/bf16/*", "FLOP/s",
                                                               value, 0.01, "\"per\":\"gpu\",\"to\":\"" + to + "\"")}),
                                              "by-hand.json");
    return std::string(name(Verdict{judge(node, "r.json", &e, soon_after())}.judgements.front().standing));
  };
  EXPECT_EQ(standing("vendor", 0.5), "pass");
  EXPECT_EQ(standing("vendor", 0.55), "fail");
  EXPECT_EQ(standing("datasheet", 0.39), "pass");  // 390 of 989.5
  EXPECT_EQ(standing("datasheet", 0.42), "fail");
  EXPECT_EQ(standing("gemm/cublaslt*", 0.5), "pass");
  EXPECT_EQ(standing("peak/*/gpu*/f16/*", 0.5), "could not measure");
}

/// What the suite's cases are called on GPUs: every shipped pattern finds one of them.
TEST(Expectations, TheShippedPatternsFindTheirCases) {
  const std::string ids[] = {
      "gemm/cublaslt_tuned/gpu0/bf16/layout=tn/m=8192/n=8192/k=8192/cold/sustained/normal/seed=1",
      "gemm/cublaslt_tuned/gpu0/e4m3/layout=tn/m=8192/n=8192/k=8192/scaling=tensor/cold/sustained/normal/seed=1",
      "peak/peak_stream/gpu0/f32/unit=copy/size=268435456/cold/burst/normal/seed=1",
      "all_reduce/nccl/gpu0/bf16/bytes=8589934592/ranks=8/placement=out_of_place/cold/burst/normal/seed=1"};
  for (const auto& shipped : shipped_expectations()) {
    if (!shipped.machine.is_gpu()) continue;
    for (const auto& e : shipped.entries)
      EXPECT_TRUE(
          std::any_of(std::begin(ids), std::end(ids), [&](const auto& id) { return glob_match(e.pattern, id); }))
          << shipped.name << ": " << e.pattern;
  }
}

/// The suite that the shipped figures name exists, and ends in ten minutes on a CPU.
TEST(Expectations, TheirSuiteEndsInTenMinutes) {
  const Suite suite = load_suite("acceptance", catalog(), DevicesPresent{0});
  const double preparation_and_check = 2.0;  // seconds a case; measured on two cores
  EXPECT_LE(double(suite.cases.size()) *
                (suite.sampling.wall_seconds + suite.sampling.warmup_seconds + preparation_and_check),
            600);
  EXPECT_GE(suite.cases.size(), 20u);
}

}  // namespace
}  // namespace assay
