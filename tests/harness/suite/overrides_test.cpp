// --set
#include "tests/harness/suite/suite_testing.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* kGemm = R"({"workload": "gemm", "dtype": "bf16", "m": [1, 2, 3], "n": 5, "k": 6})";
constexpr const char* kAllReduce = R"({"workload": "all_reduce", "dtype": "bf16", "bytes": 4})";

TEST(ParseOverride, SplitsAxisAndValues) {
  const AxisOverride one = parse_override("m=1024,2048");
  EXPECT_EQ(one.axis, "m");
  EXPECT_THAT(one.values, ElementsAre("1024", "2048"));
  EXPECT_THAT(parse_override("kernel=a=b").values, ElementsAre("a=b"));
}

TEST(ParseOverride, RefusesWhatIsNone) {
  for (const char* text : {"", "m", "=1", "m=", "m=1,", "m=,1", "m=1,,2"})
    EXPECT_THROW(parse_override(text), InputError) << text;
}

TEST(Overrides, ReplaceTheAxisWhereAnEntryHasIt) {
  EXPECT_THAT(
      ids(std::string(kGemm) + "," + kAllReduce, {"m=7,8"}),
      ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=7/n=5/k=6/cold/burst/normal/seed=1",
                  "gemm/cpu_blocked/cpu/bf16/layout=tn/m=8/n=5/k=6/cold/burst/normal/seed=1",
                  "all_reduce/shm_ring/cpu/bf16/bytes=4/ranks=0/placement=out_of_place/cold/burst/normal/seed=1"));
}

TEST(Overrides, ReplaceDefaultsToo) {
  EXPECT_THAT(
      ids(kAllReduce, {"ranks=3", "bytes=2Ki", "cache=hot", "seed=5", "dtype=f32", "data=zeros", "mode=sustained"}),
      ElementsAre("all_reduce/shm_ring/cpu/f32/bytes=2048/ranks=3/placement=out_of_place/hot/sustained/zeros/seed=5"));
}

TEST(Overrides, ReachIntoShapesAndMergeWhatBecomesEqual) {
  const char* entry =
      R"({"workload": "gemm", "dtype": "bf16", "shapes": [{"m": 1, "n": 1, "k": 1}, {"m": 2, "n": 2, "k": 2}]})";
  EXPECT_THAT(ids(entry, {"m=9"}),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=9/n=1/k=1/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/bf16/layout=tn/m=9/n=2/k=2/cold/burst/normal/seed=1"));
  EXPECT_THAT(ids(entry, {"m=9", "n=8", "k=7"}),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=9/n=8/k=7/cold/burst/normal/seed=1"));
}

TEST(Overrides, AModelsShapeLosesItsLabel) {
  const char* entry =
      R"({"workload": "gemm", "dtype": "bf16", "model": "llama3-8b", "tokens": 64, "layer": "qkv", "pass": "forward"})";
  const Suite kept = parse_text(suite_text(entry), {"seed=2"});
  EXPECT_THAT(kept.cases.at(0).labels, SizeIs(1));
  const Suite changed = parse_text(suite_text(entry), {"m=7"});
  ASSERT_THAT(changed.cases, SizeIs(1));
  EXPECT_EQ(changed.cases[0].id(), "gemm/cpu_blocked/cpu/bf16/layout=tn/m=7/n=6144/k=4096/cold/burst/normal/seed=1");
  EXPECT_THAT(changed.cases[0].labels, SizeIs(0));
}

TEST(Overrides, ModelKeys) {
  const char* entry =
      R"({"workload": "gemm", "dtype": "bf16", "model": "llama3-8b", "tokens": 64, "layer": "qkv", "pass": "forward"})";
  EXPECT_THAT(ids(entry, {"model=llama3-70b", "tensor_parallel=8", "tokens=128", "pass=dgrad", "layer=down"}),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=nn/m=128/n=3584/k=8192/cold/burst/normal/seed=1"));
  EXPECT_THAT(refusal(suite_text(kGemm), {"tokens=4"}),
              HasSubstr("--set tokens: no case of the suite comes from a model"));
}

/// The layers were written for the suite's own models.
TEST(Overrides, AnotherModelNeedNotHaveTheLayersOfTheSuite) {
  const char* entry =
      R"({"workload": "gemm", "dtype": "bf16", "model": "gpt3-175b", "tokens": 64, "layer": ["qkv", "fc1"], "pass": "forward"})";
  EXPECT_THAT(ids(entry, {"model=llama3-8b"}), SizeIs(1));
  EXPECT_THAT(refusal(suite_text(entry), {"model=llama3-8b", "layer=fc1"}), HasSubstr("no layer of the models"));
}

TEST(Overrides, WorkloadNarrows) {
  EXPECT_THAT(ids(std::string(kGemm) + "," + kAllReduce, {"workload=all_reduce"}), SizeIs(1));
  EXPECT_THAT(refusal(suite_text(kGemm), {"workload=gem"}),
              AllOf(HasSubstr("there are gemm, attention, all_reduce"), HasSubstr("did you mean 'gemm'?")));
  EXPECT_THAT(refusal(suite_text(std::string(kGemm) + "," + kAllReduce), {"workload=all_reduce", "m=4"}),
              HasSubstr("--set m: no case"));
}

TEST(Overrides, AnAxisNoEntryHasIsRefusedWithThoseThereAre) {
  EXPECT_THAT(refusal(suite_text(kGemm), {"seq_q=4"}),
              AllOf(HasSubstr("--set seq_q: no case of the suite has such an axis"), HasSubstr("layout, m, n, k")));
  EXPECT_THAT(refusal(suite_text(kGemm), {"layuot=nt"}), HasSubstr("did you mean 'layout'?"));
}

TEST(Overrides, ValuesAreCheckedAsInAFile) {
  EXPECT_THAT(refusal(suite_text(kGemm), {"m=0"}), HasSubstr("--set m: is \"0\", expected a whole number from 1 to"));
  EXPECT_THAT(refusal(suite_text(kGemm), {"m=1e3"}), HasSubstr("--set m: is \"1e3\""));
  EXPECT_THAT(refusal(suite_text(kGemm), {"layout=tt"}),
              AllOf(HasSubstr("--set layout: is \"tt\""), HasSubstr("one of tn, nn, nt")));
  EXPECT_THAT(refusal(suite_text(kGemm), {"cache=warm"}), HasSubstr("one of cold, hot"));
  EXPECT_THAT(refusal(suite_text(kGemm), {"dtype=fp8"}), HasSubstr("one of f32, tf32, bf16, f16"));
  EXPECT_THAT(refusal(suite_text(kGemm), {"m=1", "m=2"}), HasSubstr("--set m: given twice"));
}

}  // namespace
}  // namespace assay
