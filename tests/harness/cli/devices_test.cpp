// `assay devices` on nodes whose GPUs the fake NVML makes; CUDA shows none of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/backends/backend.h"
#include "tests/harness/backends/fake_nvml.h"
#include "tests/harness/cli/program.h"

namespace assay {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

Ran devices(std::vector<std::string> flags) {
  flags.insert(flags.begin(), "devices");
  return run_program(flags, {});
}

class Devices : public testing::Test {
 protected:
  void SetUp() override {
    if (probe_gpus().count > 0) GTEST_SKIP() << "this machine has GPUs of its own";
  }
};

TEST_F(Devices, CountsGpusAgainstWhatIsExpected) {
  const FakeNvml fake("gpus 7\n");
  const Ran ran = devices({"--expect-gpus", "8"});
  EXPECT_EQ(ran.code, 4);
  EXPECT_THAT(ran.out, HasSubstr("unfit: 8 GPUs are expected: CUDA shows 0, NVML sees 7"));
  EXPECT_THAT(ran.out, HasSubstr("NVML sees 6: NVIDIA Fake, PCI 0000:1d:00.0"));
  EXPECT_THAT(ran.out, HasSubstr("what to do: "));
}

TEST_F(Devices, IsContentWithAMachineOfNone) {
  EXPECT_EQ(devices({"--expect-gpus", "0"}).code, 0);
  EXPECT_EQ(devices({}).code, 0);
}

TEST_F(Devices, WritesWhatNvmlSees) {
  const FakeNvml fake("gpus 2\nat 0 s: gpu1.mig=1\n");
  const Ran ran = devices({"--json"});
  EXPECT_EQ(ran.code, 4);
  const Json json = Json::parse(ran.out);
  ASSERT_EQ(json["nvml"]["devices"].size(), 2u);
  EXPECT_EQ(json["nvml"]["driver_version"], "580.00");
  EXPECT_EQ(json["nvml"]["cuda_driver"], "13.0");
  EXPECT_EQ(json["nvml"]["devices"][1]["mig"], true);
  EXPECT_THAT(ran.out, HasSubstr("GPU 1 is in MIG mode"));
}

TEST_F(Devices, RefusesACountThatIsNone) {
  const Ran ran = devices({"--expect-gpus", "eight"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("--expect-gpus"));
}

}  // namespace
}  // namespace assay
