// Axes that are left out of a case where they have their default, and what an override makes impossible.
#include "tests/harness/suite/suite_testing.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kPlain = R"({"workload": "gemm", "dtype": "bf16", "m": 4, "n": 5, "k": 6})";

TEST(OptionalAxes, AreLeftOutAtTheirDefault) {
  const auto plain = ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=4/n=5/k=6/cold/burst/normal/seed=1");
  EXPECT_THAT(ids(kPlain), plain);
  EXPECT_THAT(
      ids(R"({"workload": "gemm", "dtype": "bf16", "m": 4, "n": 5, "k": 6, "scaling": "none", "config": "auto"})"),
      plain);
  EXPECT_THAT(ids(kPlain, {"scaling=none"}), plain);
  const Suite suite = parse_text(suite_text(kPlain));
  EXPECT_EQ(suite.cases.at(0).word_or("scaling", "none"), "none");
  EXPECT_THROW(suite.cases.at(0).word("scaling"), InputError);
}

TEST(OptionalAxes, AreThereInTheWorkloadsOrderAtAnyOtherValue) {
  EXPECT_THAT(
      ids(kPlain, {"config=128x256_c2", "scaling=none,tensor"}),
      ElementsAre(
          "gemm/cpu_blocked/cpu/bf16/layout=tn/m=4/n=5/k=6/config=128x256_c2/cold/burst/normal/seed=1",
          "gemm/cpu_blocked/cpu/bf16/layout=tn/m=4/n=5/k=6/scaling=tensor/config=128x256_c2/cold/burst/normal/seed=1"));
  EXPECT_EQ(parse_text(suite_text(kPlain), {"scaling=tensor"}).cases.at(0).word_or("scaling", "none"), "tensor");
}

TEST(OptionalAxes, MayStandInShapes) {
  EXPECT_THAT(ids(R"({"workload": "gemm", "dtype": "bf16", "n": 1, "k": 1,
                      "shapes": [{"m": 1, "scaling": "none"}, {"m": 1, "scaling": "tensor"}]})"),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=1/n=1/k=1/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/bf16/layout=tn/m=1/n=1/k=1/scaling=tensor/cold/burst/normal/seed=1"));
}

TEST(FreeWords, AreWordsThatAnIdCanHold) {
  EXPECT_THAT(ids(kPlain, {"config=128x256x64/c2m-s4.1+k"}), ElementsAre(HasSubstr("/config=128x256x64/c2m-s4.1+k/")));
  for (const char* text : {"config=a=b", "config=a b", "config=*", "config=\xc3\xa9"})
    EXPECT_THAT(refusal(suite_text(kPlain), {text}), AllOf(HasSubstr("--set config"), HasSubstr("letters, digits")))
        << text;
  EXPECT_THAT(refusal(suite_text(R"({"workload": "gemm", "dtype": "bf16", "m": 4, "n": 5, "k": 6, "config": 7})")),
              HasSubstr("is 7, expected a word"));
}

/// Hopper's tensor cores take 8-bit operands k-major alone: dgrad and wgrad work on transposed copies.
TEST(Models, EightBitPassesAreAllKMajor) {
  const std::string entry = R"({"workload": "gemm", "dtype": ["bf16", "e4m3"], "model": "llama3-8b", "tokens": 64,
                                "layer": "qkv"})";
  EXPECT_THAT(ids(entry),
              ElementsAre("gemm/cpu_blocked/cpu/bf16/layout=tn/m=64/n=6144/k=4096/cold/burst/normal/seed=1",
                          "gemm/cpu_dequantized/cpu/e4m3/layout=tn/m=64/n=6144/k=4096/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/bf16/layout=nn/m=64/n=4096/k=6144/cold/burst/normal/seed=1",
                          "gemm/cpu_dequantized/cpu/e4m3/layout=tn/m=64/n=4096/k=6144/cold/burst/normal/seed=1",
                          "gemm/cpu_blocked/cpu/bf16/layout=nt/m=6144/n=4096/k=64/cold/burst/normal/seed=1",
                          "gemm/cpu_dequantized/cpu/e4m3/layout=tn/m=6144/n=4096/k=64/accumulate=f32/cold/burst/normal/"
                          "seed=1"));
  EXPECT_THAT(parse_text(suite_text(entry)).cases.at(5).labels, ElementsAre("llama3-8b/qkv/wgrad/tp1"));
}

/// One dtype for all entries fits not all of them: those are left out, and said so once an entry.
TEST(Overrides, LeaveOutWhatTheyMakeImpossible) {
  const std::string scaled =
      R"({"workload": "gemm", "dtype": "bf16", "m": [8, 9], "n": 5, "k": 6, "scaling": "tensor"})";
  const std::string both = kPlain + ("," + scaled);
  EXPECT_THAT(parse_text(suite_text(both)).notes, IsEmpty());
  const Suite suite = parse_text(suite_text(both), {"dtype=f32", "kernel=cpu_blocked"});
  EXPECT_THAT(ids_of(suite), ElementsAre("gemm/cpu_blocked/cpu/f32/layout=tn/m=4/n=5/k=6/cold/burst/normal/seed=1"));
  EXPECT_THAT(suite.notes,
              ElementsAre(AllOf(HasSubstr("t.json: /cases/1: "), HasSubstr("f32 takes no scale factors"))));
  EXPECT_THAT(refusal(suite_text(scaled), {"dtype=f32"}), HasSubstr("f32 takes no scale factors"));
  EXPECT_THAT(parse_text(suite_text(both), {"dtype=f32", "scaling=none", "kernel=cpu_blocked"}).cases, SizeIs(3));
}

TEST(Suites, OfTheirOwnMustBePossible) {
  EXPECT_THAT(refusal(suite_text(
                  R"({"workload": "gemm", "dtype": "f32", "m": 4, "n": 5, "k": 6, "scaling": ["none", "tensor"]})")),
              AllOf(HasSubstr("/cases/0"), HasSubstr("scaling=tensor"), HasSubstr("is impossible")));
}

}  // namespace
}  // namespace assay
