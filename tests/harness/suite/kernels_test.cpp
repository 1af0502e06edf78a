// Which kernels run where.
#include "assay/build_config.h"
#include "tests/harness/suite/suite_testing.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// "kernel@device/dtype" of each case.
std::vector<std::string> runs(const std::string& keys, int gpus, const std::vector<std::string>& set = {},
                              const std::string& workload = R"("gemm", "m": 1, "n": 1, "k": 1)") {
  std::vector<std::string> out;
  const Suite suite = parse_text(suite_text(R"({"workload": )" + workload + ", " + keys + "}"), set, gpus);
  for (const auto& point : suite.cases)
    out.push_back(point.kernel + "@" + point.device_name() + "/" + name(point.dtype));
  return out;
}

std::vector<std::string> notes(const std::string& keys, int gpus, const std::vector<std::string>& set = {}) {
  return parse_text(suite_text(R"({"workload": "gemm", "m": 1, "n": 1, "k": 1, )" + keys + "}"), set, gpus).notes;
}

TEST(Devices, AutoIsTheGpusOrElseTheCpu) {
  EXPECT_THAT(runs(R"("dtype": "bf16")", 0), ElementsAre("cpu_blocked@cpu/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "kernel": "t*")", 2), ElementsAre("tensor@gpu0/bf16", "tensor@gpu1/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "auto")", 0), ElementsAre("cpu_blocked@cpu/bf16"));
}

TEST(Devices, Words) {
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "cpu")", 2), ElementsAre("cpu_blocked@cpu/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "gpu")", 0), IsEmpty());
  EXPECT_THAT(runs(R"("dtype": "f16", "device": "gpu1")", 2), ElementsAre("tensor@gpu1/f16"));
  EXPECT_THAT(runs(R"("dtype": "f16", "device": "gpu1")", 1), IsEmpty());
  EXPECT_THAT(runs(R"("dtype": "bf16", "kernel": ["tensor", "cpu*"], "device": "all")", 1),
              ElementsAre("tensor@gpu0/bf16", "cpu_blocked@cpu/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "cpu_fallback")", 0), ElementsAre("cpu_blocked@cpu/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "cpu_fallback")", 1), IsEmpty());
  EXPECT_THAT(runs(R"("dtype": "f16", "device": ["gpu", "gpu0", "auto"])", 1), ElementsAre("tensor@gpu0/f16"));
}

TEST(Devices, AWorkloadThatSpansThemRunsOnce) {
  const std::string all_reduce = R"("all_reduce", "bytes": 4)";
  EXPECT_THAT(runs(R"("dtype": "f32")", 8, {}, all_reduce), ElementsAre("gpu_ring@gpu0/f32"));
  EXPECT_THAT(runs(R"("dtype": "f32", "device": "all")", 8, {}, all_reduce),
              ElementsAre("gpu_ring@gpu0/f32", "shm_ring@cpu/f32"));
}

TEST(Devices, AnUnknownWordIsRefused) {
  EXPECT_THAT(refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1, "device": "gpus"})")),
              AllOf(HasSubstr("/cases/0/device: is \"gpus\""), HasSubstr("auto, cpu, gpu, all, cpu_fallback, gpu0"),
                    HasSubstr("did you mean 'gpu'?")));
  for (const char* word : {"gpu01", "gpu-1", "gpu99999999999999999999", "gpu1Ki", ""})
    EXPECT_FALSE(refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1, "device": ")" +
                                    std::string(word) + "\"}"))
                     .empty());
}

TEST(Devices, SetNarrowsTheMachine) {
  EXPECT_THAT(runs(R"("dtype": "bf16")", 2, {"device=cpu"}), ElementsAre("cpu_blocked@cpu/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "cpu_fallback")", 2, {"device=cpu"}),
              ElementsAre("cpu_blocked@cpu/bf16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "gpu")", 2, {"device=cpu"}), IsEmpty());
  EXPECT_THAT(runs(R"("dtype": "f16")", 3, {"device=gpu2"}), ElementsAre("tensor@gpu2/f16"));
  EXPECT_THAT(runs(R"("dtype": "f16", "device": "gpu")", 3, {"device=gpu2,gpu0"}),
              ElementsAre("tensor@gpu2/f16", "tensor@gpu0/f16"));
  EXPECT_THAT(runs(R"("dtype": "bf16", "device": "cpu")", 1, {"device=gpu"}), IsEmpty());
  EXPECT_THAT(runs(R"("dtype": "bf16", "kernel": ["tensor", "cpu*"])", 1, {"device=all"}),
              ElementsAre("tensor@gpu0/bf16", "cpu_blocked@cpu/bf16"));
}

TEST(Devices, SetToWhatIsNotHereCannotBeMeasured) {
  const std::string text = suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1})");
  EXPECT_THAT(refusal(text, {"device=gpu"}, 0, ExitCode::could_not_measure), HasSubstr("0 usable GPUs"));
  EXPECT_THAT(refusal(text, {"device=gpu1"}, 1, ExitCode::could_not_measure), HasSubstr("1 usable GPU"));
  EXPECT_THAT(refusal(text, {"device=tpu"}), HasSubstr("--set device: is \"tpu\""));
}

TEST(Kernels, APatternTakesWhatFits) {
  EXPECT_THAT(runs(R"("dtype": ["f32", "f16"], "kernel": "*")", 0),
              ElementsAre("cpu_blocked@cpu/f32", "yardstick@cpu/f32"));
  EXPECT_THAT(runs(R"("dtype": "f32", "kernel": "*yard*")", 0), ElementsAre("yardstick@cpu/f32"));
  EXPECT_THAT(runs(R"("dtype": "f32", "kernel": "nothing_like_it*")", 0), IsEmpty());
  EXPECT_THAT(runs(R"("dtype": "f32", "kernel": ["*", "yardstick", "yard*"])", 0),
              ElementsAre("cpu_blocked@cpu/f32", "yardstick@cpu/f32"));
}

TEST(Kernels, AMisspelledNameIsRefusedWithThoseThereAre) {
  EXPECT_THAT(
      refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "kernel": "cpu_bloked", "m": 1, "n": 1, "k": 1})")),
      AllOf(HasSubstr("t.json: /cases/0/kernel: gemm has no kernel \"cpu_bloked\""),
            HasSubstr("cpu_blocked, tensor, yardstick, gpu_yardstick"), HasSubstr("did you mean 'cpu_blocked'?")));
}

TEST(Kernels, ANameOfACapabilityThisBuildLacksIsNoted) {
  if (!ASSAY_HAS_CUDA) {
    EXPECT_THAT(runs(R"("dtype": "f32", "kernel": ["wgmma_sm90", "yardstick"])", 0), ElementsAre("yardstick@cpu/f32"));
    EXPECT_THAT(notes(R"("dtype": "f32", "kernel": "wgmma_sm90")", 0),
                ElementsAre("t.json: /cases/0/kernel: kernel wgmma_sm90 needs CUDA, which this build lacks: no case"));
  } else {
    EXPECT_THAT(
        refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "kernel": "wgmma_sm90", "m": 1, "n": 1, "k": 1})")),
        HasSubstr("has no kernel \"wgmma_sm90\""));
  }
}

TEST(Kernels, APlainNameMustTakeOneOfTheDtypes) {
  EXPECT_THAT(refusal(suite_text(
                  R"({"workload": "gemm", "dtype": ["bf16", "f16"], "kernel": "yardstick", "m": 1, "n": 1, "k": 1})")),
              AllOf(HasSubstr("/cases/0/kernel: kernel yardstick takes none of the dtypes"), HasSubstr("only f32")));
  EXPECT_THAT(runs(R"("dtype": ["bf16", "f32"], "kernel": "yardstick")", 0), ElementsAre("yardstick@cpu/f32"));
}

TEST(Kernels, APlainNameOnAnotherDeviceIsNoted) {
  EXPECT_THAT(notes(R"("dtype": "bf16", "kernel": "tensor")", 0),
              ElementsAre(HasSubstr("kernel tensor runs on a gpu")));
}

TEST(Kernels, SetCountsWhereAWorkloadHasTheKernel) {
  const std::string two = R"({"workload": "gemm", "dtype": "f32", "kernel": "cpu_blocked", "m": 1, "n": 1, "k": 1},
                             {"workload": "all_reduce", "dtype": "f32", "bytes": 4})";
  EXPECT_THAT(ids(two, {"kernel=yardstick"}),
              ElementsAre("gemm/yardstick/cpu/f32/layout=tn/m=1/n=1/k=1/cold/burst/normal/seed=1"));
  EXPECT_THAT(ids(two, {"kernel=yardstick,shm_ring"}), ::testing::SizeIs(2));
  EXPECT_THAT(refusal(suite_text(two), {"kernel=yardstik"}),
              AllOf(HasSubstr("--set kernel: no workload of the suite has a kernel \"yardstik\""),
                    HasSubstr("did you mean 'yardstick'?")));
  EXPECT_THAT(ids(two, {"kernel=yardstick", "dtype=bf16"}), IsEmpty());
}

}  // namespace
}  // namespace assay
