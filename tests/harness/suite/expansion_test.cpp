// Entries become cases.
#include "tests/harness/suite/suite_testing.h"

namespace assay {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST(Expansion, OneCase) {
  EXPECT_THAT(ids(R"({"workload": "gemm", "dtype": "bf16", "m": 4, "n": 5, "k": 6})"),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=4/n=5/k=6/cold/burst/normal/seed=1"));
}

TEST(Expansion, AxesMultiplyWithTheFirstSlowestAndKernelsSideBySide) {
  EXPECT_THAT(ids(R"({"workload": "gemm", "dtype": "f32", "m": [1, 2], "n": 5, "k": [6, 7]})"),
              ElementsAre("gemm/cpu_blocked/cpu/f32/layout=tn/m=1/n=5/k=6/cold/burst/normal/seed=1",
                          "gemm/yardstick/cpu/f32/layout=tn/m=1/n=5/k=6/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/f32/layout=tn/m=1/n=5/k=7/cold/burst/normal/seed=1",
                          "gemm/yardstick/cpu/f32/layout=tn/m=1/n=5/k=7/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/f32/layout=tn/m=2/n=5/k=6/cold/burst/normal/seed=1",
                          "gemm/yardstick/cpu/f32/layout=tn/m=2/n=5/k=6/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/f32/layout=tn/m=2/n=5/k=7/cold/burst/normal/seed=1",
                          "gemm/yardstick/cpu/f32/layout=tn/m=2/n=5/k=7/cold/burst/normal/seed=1"));
}

TEST(Expansion, CommonKeysAreAxesToo) {
  EXPECT_THAT(ids(R"({"workload": "gemm", "dtype": ["f32", "bf16"], "kernel": "cpu_blocked", "m": 1, "n": 1, "k": 1,
                      "cache": ["cold", "hot"], "mode": ["burst", "sustained"], "data": ["normal", "zeros"],
                      "seed": [1, 2]})"),
              SizeIs(32));
  EXPECT_THAT(ids(R"({"workload": "gemm", "dtype": "f32", "kernel": "yardstick", "m": 1, "n": 1, "k": 1,
                      "cache": "hot", "mode": "sustained", "data": "integers", "seed": 9})"),
              ElementsAre("gemm/yardstick/cpu/f32/layout=tn/m=1/n=1/k=1/hot/sustained/integers/seed=9"));
}

TEST(Expansion, DefaultsCountWhereAnEntryIsSilent) {
  const Suite suite = parse_text(suite_text(
      R"({"workload": "gemm", "dtype": "bf16", "m": 1, "n": 1, "k": 1},
         {"workload": "gemm", "dtype": "bf16", "m": 2, "n": 1, "k": 1, "cache": "cold"})",
      R"("defaults": {"cache": "hot", "data": "uniform", "seed": 3}, )"));
  EXPECT_THAT(ids_of(suite), ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=1/n=1/k=1/hot/burst/uniform/seed=3",
                                         "gemm/cpu_blocked/cpu/bf16/layout=tn/m=2/n=1/k=1/cold/burst/uniform/seed=3"));
}

TEST(Expansion, TheNameOfWhatIsSampledInTurnsMayHoldTheCasesOwnValues) {
  const Suite suite = parse_text(suite_text(
      R"({"workload": "gemm", "dtype": ["f32", "bf16"], "kernel": "cpu_blocked", "m": [1, 2], "n": 5, "k": 6, "in_turns": "m is {m}, {dtype}"})"));
  std::vector<std::string> groups;
  for (const auto& point : suite.cases) groups.push_back(point.in_turns);
  EXPECT_THAT(groups, UnorderedElementsAre("m is 1, f32", "m is 1, bf16", "m is 2, f32", "m is 2, bf16"));
  for (const std::string name : {"{tokens}", "{m", "{}"})
    EXPECT_THAT(refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 5, "k": 6, "in_turns": ")" +
                                   name + R"("})")),
                HasSubstr("expected only {dtype} and axes of gemm in braces"));
}

TEST(Expansion, ShapesGoTogether) {
  EXPECT_THAT(ids(R"({"workload": "gemm", "dtype": "bf16", "layout": "nt",
                      "shapes": [{"m": 1, "n": 2, "k": 3}, {"k": 6, "n": 5, "m": 4}]})"),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=nt/m=1/n=2/k=3/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/bf16/layout=nt/m=4/n=5/k=6/cold/burst/normal/seed=1"));
}

TEST(Expansion, SizesWithBinarySuffixes) {
  const Suite suite = parse_text(suite_text(
      R"({"workload": "all_reduce", "dtype": "f32", "bytes": ["7", "64Ki", "1Mi", "2Gi", "1Ti", 12], "ranks": 2})"));
  std::vector<std::int64_t> bytes;
  for (const auto& point : suite.cases) bytes.push_back(point.number("bytes"));
  EXPECT_THAT(bytes, ElementsAre(7, 65536, 1048576, 2147483648, 1099511627776, 12));
}

TEST(Expansion, SamplingIsReadOverTheDefaults) {
  const Suite suite =
      parse_text(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1})",
                            R"("description": "d", "sampling": {"min_samples": 5, "wall_seconds": 2}, )"));
  SamplingRule expected;
  expected.min_samples = 5;
  expected.wall_seconds = 2;
  EXPECT_EQ(suite.sampling, expected);
  EXPECT_EQ(suite.name, "t");
  EXPECT_EQ(suite.description, "d");
}

TEST(Expansion, ModelShapesCarryLabelsAndMergeWhereTheyCoincide) {
  // At 4096 tokens, attn_out of the 8B model is a 4096 square in all three passes; only the layouts differ.
  const Suite suite = parse_text(suite_text(
      R"({"workload": "gemm", "dtype": "bf16", "model": ["llama3-8b", "mixtral-8x7b"], "tokens": 4096, "layer": "attn_out"},
         {"workload": "gemm", "dtype": "bf16", "m": 4096, "n": 4096, "k": 4096})"));
  ASSERT_THAT(suite.cases, SizeIs(3));
  EXPECT_EQ(suite.cases[0].id(), "gemm/cpu_blocked/cpu/bf16/layout=tn/m=4096/n=4096/k=4096/cold/burst/normal/seed=1");
  EXPECT_THAT(suite.cases[0].labels,
              ElementsAre("llama3-8b/attn_out/forward/tp1", "mixtral-8x7b/attn_out/forward/tp1"));
  EXPECT_EQ(suite.cases[1].word("layout"), "nn");
  EXPECT_EQ(suite.cases[2].word("layout"), "nt");
}

TEST(Expansion, ModelShapesMultiplyWithDegreesTokensAndPasses) {
  const std::string entry = R"({"workload": "gemm", "dtype": "bf16", "model": "llama3-70b", "tensor_parallel": [4, 8],
                                "tokens": [1024, 2048], "pass": ["forward", "wgrad"], "layer": ["gate*", "down"]})";
  EXPECT_THAT(ids(entry), SizeIs(2 * 2 * 2 * 2));
  EXPECT_THAT(ids(entry),
              Contains("gemm/cpu_blocked/cpu/bf16/layout=nt/m=7168/n=8192/k=2048/cold/burst/normal/seed=1"));
}

TEST(Expansion, AttentionTakesHeadsFromTheModelAndTheRestFromTheEntry) {
  const Suite suite = parse_text(suite_text(
      R"({"workload": "attention", "dtype": "bf16", "model": "llama3-70b", "tensor_parallel": 8, "batch": 2,
          "mask": ["causal", "full"], "shapes": [{"seq_q": 1, "seq_kv": 64}, {"seq_q": 64, "seq_kv": 64}]})"));
  ASSERT_THAT(suite.cases, SizeIs(4));
  EXPECT_EQ(suite.cases[0].id(),
            "attention/cpu_flash/cpu/bf16/mask=causal/batch=2/heads=8/kv_heads=1/seq_q=1/seq_kv=64/head_dim=128/cold/"
            "burst/normal/seed=1");
  EXPECT_THAT(suite.cases[0].labels, ElementsAre("llama3-70b/attention/tp8"));
}

TEST(Expansion, GroupedGemmTakesAModelsExpertsAndItsPassIsAnAxis) {
  const Suite suite = parse_text(suite_text(
      R"({"workload": "grouped_gemm", "dtype": "bf16", "model": "deepseek-v3", "expert_parallel": [64, 16], "tokens": 4096,
          "pass": ["forward", "wgrad"], "routing": ["balanced", "skewed"], "layer": "expert_down"})"));
  ASSERT_THAT(suite.cases, SizeIs(2 * 2 * 2));
  EXPECT_EQ(suite.cases[0].id(),
            "grouped_gemm/cpu_blocked/cpu/bf16/pass=forward/routing=balanced/groups=4/rows=32768/n=7168/k=2048/cold/"
            "burst/normal/seed=1");
  EXPECT_THAT(suite.cases[0].labels, ElementsAre("deepseek-v3/expert_down/ep64"));
  EXPECT_EQ(suite.cases[7].word("pass"), "wgrad");
  EXPECT_EQ(suite.cases[7].number("groups"), 16);
  // Without a model the pass is still an axis, of entries and of the command line.
  const std::string own =
      R"({"workload": "grouped_gemm", "dtype": "f32", "pass": "dgrad", "groups": 2, "rows": 3, "n": 4, "k": 5})";
  EXPECT_THAT(ids(own), SizeIs(1));
  EXPECT_THAT(ids(own, {"pass=wgrad"}), ElementsAre(::testing::HasSubstr("pass=wgrad")));
  EXPECT_THAT(refusal(suite_text(R"({"workload": "grouped_gemm", "dtype": "f32", "model": "mixtral-8x7b"})")),
              ::testing::HasSubstr("lacks the key \"tokens\""));
  EXPECT_THAT(refusal(suite_text(R"({"workload": "grouped_gemm", "dtype": "f32", "model": "llama3-8b", "tokens": 1})")),
              ::testing::HasSubstr("no routed experts"));
}

TEST(Expansion, MessagesOfAModelHaveTheBytesOfTheirType) {
  const Suite suite = parse_text(suite_text(
      R"({"workload": "all_reduce", "dtype": ["f32", "bf16"], "model": "llama3-70b", "tensor_parallel": 8, "tokens": 4096,
          "message": ["activations", "layer*"]})"));
  // Activations: 4096 x 8192.  A layer: qkv 10240 x 8192, attn_out 8192 x 8192, gate_up 57344 x 8192, down 8192 x
  // 28672, 855638016 in all, an eighth of it.
  EXPECT_THAT(ids_of(suite), ElementsAre(HasSubstr("/f32/bytes=134217728/"), HasSubstr("/bf16/bytes=67108864/"),
                                         HasSubstr("/f32/bytes=427819008/"), HasSubstr("/bf16/bytes=213909504/")));
  EXPECT_THAT(suite.cases[1].labels, ElementsAre("llama3-70b/activations"));
  EXPECT_THAT(suite.cases[3].labels, ElementsAre("llama3-70b/layer_weights/tp8"));
}

TEST(Expansion, TheLimitOfCasesIsInclusive) {
  const std::string entry = fmt::format(R"({{"workload": "gemm", "dtype": "bf16", "m": [{}], "n": [{}], "k": 1}})",
                                        numbers_up_to(500), numbers_up_to(200));
  EXPECT_THAT(ids(entry), SizeIs(100000));
  EXPECT_THAT(refusal(suite_text(entry + R"(,{"workload": "gemm", "dtype": "bf16", "m": 1, "n": 1, "k": 2})")),
              ::testing::HasSubstr("expected at most 100000"));
}

}  // namespace
}  // namespace assay
