// The suites in configs/, against the workloads of this build.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "harness/suite/embedded.h"
#include "harness/suite/keys.h"
#include "harness/suite/suite.h"

namespace assay {
namespace {

using ::testing::SizeIs;

Suite load(const std::string& name, int gpus, const std::vector<AxisOverride>& set = {}) {
  return load_suite(name, catalog(), DevicesPresent{gpus}, set);
}

std::map<std::string, int> cases_by_workload(const Suite& suite) {
  std::map<std::string, int> counts;
  for (const auto& point : suite.cases) ++counts[point.workload];
  return counts;
}

TEST(ShippedSuites, ExpandWithAndWithoutGpus) {
  for (const char* name : {"quick", "smoke", "gemm", "grouped_gemm", "attention", "all_reduce", "collectives", "peak",
                           "mamf", "acceptance"}) {
    EXPECT_FALSE(load(name, 0).cases.empty()) << name;
    EXPECT_EQ(load(name, 0).name, name);
    for (const auto& point : load(name, 0).cases) EXPECT_EQ(point.device, Device::cpu) << point.id();
    for (const auto& point : load(name, 2).cases) EXPECT_EQ(point.device, Device::gpu) << point.id();
    EXPECT_FALSE(load(name, 0).description.empty()) << name;
  }
}

/// Every case of the quick suite may use its whole budget: they must still end within two minutes on a CPU.
TEST(ShippedSuites, QuickKeepsItsPromise) {
  const Suite quick = load("quick", 0);
  const double preparation_and_check = 1.0;  // seconds a case; measured on two cores
  EXPECT_LE(double(quick.cases.size()) * (quick.sampling.wall_seconds + preparation_and_check), 120.0);
  EXPECT_GE(quick.cases.size(), 20u);
  EXPECT_THAT(cases_by_workload(quick), SizeIs(4));
}

TEST(ShippedSuites, SmokeRunsEveryCpuKernelOfTheBuild) {
  const Suite smoke = load("smoke", 0);
  std::map<std::string, std::set<std::string>> ran;
  for (const auto& point : smoke.cases) ran[point.workload].insert(point.kernel);
  for (const auto& kind : catalog())
    for (const auto& kernel : kind.kernels) {
      if (kernel.device != Device::cpu) continue;
      EXPECT_TRUE(ran[kind.name].count(kernel.name)) << kind.name << " " << kernel.name;
    }
  EXPECT_LE(double(smoke.cases.size()) * smoke.sampling.wall_seconds, 8.0);
}

TEST(ShippedSuites, OneShapeOfOnesOwn) {
  std::vector<AxisOverride> set;
  for (const char* text : {"workload=gemm", "layout=nt", "m=1", "n=33", "k=100Ki", "dtype=f32"})
    set.push_back(parse_override(text));
  const Suite suite = load("smoke", 0, set);
  std::size_t kernels = 0;
  for (const auto& kind : catalog())
    if (kind.name == "gemm")
      for (const auto& kernel : kind.kernels)
        kernels += kernel.device == Device::cpu && std::count(kernel.dtypes.begin(), kernel.dtypes.end(), DType::f32);
  EXPECT_THAT(suite.cases, SizeIs(kernels));
}

/// Also where the build has no kernel for GPUs, so that CI sees what a GPU will be asked.
TEST(ShippedSuites, GemmHasEightBitTrainingOnGpus) {
  Catalog with_gpu = catalog();
  for (auto& kind : with_gpu)
    if (kind.name == "gemm")
      kind.kernels = {{"any", Device::gpu, false, {DType::bf16, DType::e4m3, DType::e5m2, DType::e2m1}}};
  const Suite gemm = load_suite("gemm", with_gpu, DevicesPresent{1}, {parse_override("workload=gemm")});
  std::map<std::string, int> counts;
  for (const auto& point : gemm.cases) {
    const std::string scaling = point.word_or("scaling", "none");
    ++counts[std::string(name(point.dtype)) + " " + scaling];
    if (scaling == "none") continue;
    EXPECT_EQ(point.word("layout"), "tn") << point.id();
    const bool wgrad = !point.labels.empty() && point.labels[0].find("/wgrad/") != std::string::npos;
    EXPECT_EQ(point.word_or("accumulate", "auto"), wgrad ? "f32" : "auto") << point.id();
    if (wgrad && scaling == "tensor") {
      EXPECT_EQ(point.dtype, DType::e5m2) << point.id();
    }
  }
  for (const char* kind : {"e4m3 tensor", "e5m2 tensor", "e4m3 block", "e4m3 mx", "e2m1 nv"})
    EXPECT_GE(counts[kind], 15) << kind;
  EXPECT_TRUE(gemm.notes.empty());
}

/// All sizes from a model; fewer layers may be given beside it, and it is still that model's shape.
TEST(ShippedSuites, TrainStepTrainsNamedModelsAtFewerLayers) {
  const auto cases = [](std::vector<AxisOverride> set) { return load("train_step", 0, set).cases; };
  ASSERT_THAT(cases({}), SizeIs(2));
  EXPECT_EQ(cases({})[0].number("layers"), 4);
  const Case reduced = cases({parse_override("model=llama3-8b"), parse_override("layers=2")}).at(0);
  EXPECT_EQ(reduced.number("layers"), 2);
  EXPECT_EQ(reduced.number("hidden"), 4096);
  EXPECT_EQ(reduced.number("kv_heads"), 8);
  EXPECT_EQ(reduced.number("feed_forward"), 14336);
  EXPECT_EQ(reduced.number("vocabulary"), 128256);
  EXPECT_EQ(reduced.labels, std::vector<std::string>{"llama3-8b"});
}

/// A workload's axis must not be named like a key of every entry.
TEST(Catalog, KeysAreDistinct) {
  for (const auto& kind : catalog()) {
    std::set<std::string> seen = {"workload", "description", "shapes"};
    for (const auto& key : keys_of(kind)) EXPECT_TRUE(seen.insert(key.name).second) << kind.name << ": " << key.name;
  }
}

}  // namespace
}  // namespace assay
