#include "harness/core/case.h"

#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/core/outcome.h"

namespace assay {
namespace {

Case gemm_point() {
  Case point;
  point.workload = "gemm";
  point.kernel = "mma_sm80";
  point.device = Device::gpu;
  point.dtype = DType::bf16;
  point.axes = {
      {"layout", std::string("tn")}, {"m", std::int64_t(4096)}, {"n", std::int64_t(4096)}, {"k", std::int64_t(4096)}};
  return point;
}

TEST(Case, IdHoldsEverythingThatMakesThePoint) {
  Case point = gemm_point();
  EXPECT_EQ(point.id(), "gemm/mma_sm80/gpu0/bf16/layout=tn/m=4096/n=4096/k=4096/cold/burst/normal/seed=1");
  point.device_index = 3;
  point.cache = Cache::hot;
  point.mode = Mode::sustained;
  point.data = Fill::zeros;
  point.seed = 18446744073709551615u;
  EXPECT_EQ(point.id(),
            "gemm/mma_sm80/gpu3/bf16/layout=tn/m=4096/n=4096/k=4096/hot/sustained/zeros/seed=18446744073709551615");
}

TEST(Case, IdOfACpuCaseNamesNoOrdinal) {
  Case point = gemm_point();
  point.device = Device::cpu;
  point.device_index = 2;
  EXPECT_EQ(point.device_name(), "cpu");
  EXPECT_EQ(point.id(), "gemm/mma_sm80/cpu/bf16/layout=tn/m=4096/n=4096/k=4096/cold/burst/normal/seed=1");
}

TEST(Case, LabelsAreNoPartOfTheId) {
  Case point = gemm_point();
  const std::string before = point.id();
  point.labels = {"llama3-8b/qkv/forward"};
  EXPECT_EQ(point.id(), before);
}

/// A result of someone else's may lack an axis, or have a word for a number: that is a wrong file, and the case says
/// where.
TEST(Case, AxesByName) {
  const Case point = gemm_point();
  EXPECT_EQ(point.number("k"), 4096);
  EXPECT_EQ(point.word("layout"), "tn");
  EXPECT_THROW(point.number("heads"), InputError);
  EXPECT_THROW(point.word("heads"), InputError);
  EXPECT_THROW(point.word("m"), InputError);
  EXPECT_THROW(point.word_or("m", "none"), InputError);
  EXPECT_THROW(point.number_or("layout", 1), InputError);
  try {
    point.number("layout");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(error.what(), point.id() + ": axis 'layout' is a word, expected a number");
  }
}

template <class Enum>
void expect_round_trip(std::initializer_list<Enum> values) {
  for (const Enum value : values) {
    Enum parsed{};
    ASSERT_TRUE(parse(name(value), parsed)) << name(value);
    EXPECT_EQ(parsed, value);
  }
}

TEST(Case, NamesOfEnumerationsRoundTrip) {
  expect_round_trip({Mode::burst, Mode::sustained});
  expect_round_trip({Cache::cold, Cache::hot});
  expect_round_trip({Fill::normal, Fill::uniform, Fill::integers, Fill::zeros});
  Mode mode = Mode::sustained;
  EXPECT_FALSE(parse("Burst", mode));
  EXPECT_FALSE(parse("", mode));
  EXPECT_EQ(mode, Mode::sustained);
}

TEST(Outcome, NamesRoundTrip) {
  for (const auto kind :
       {OutcomeKind::ok, OutcomeKind::wrong, OutcomeKind::failed, OutcomeKind::skipped, OutcomeKind::timed_out})
    EXPECT_EQ(parse_outcome(name(kind)), kind);
  EXPECT_EQ(parse_outcome("passed"), std::nullopt);
  EXPECT_EQ(parse_outcome(""), std::nullopt);
}

TEST(Outcome, DefaultIsNoPass) { EXPECT_FALSE(Outcome{}.ok()); }

}  // namespace
}  // namespace assay
