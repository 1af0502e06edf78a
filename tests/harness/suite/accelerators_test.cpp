#include "harness/suite/accelerators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "harness/core/error.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"

namespace assay {
namespace {

const Accelerator& named(std::string_view name) {
  for (const auto& accelerator : accelerators())
    if (accelerator.name == name) return accelerator;
  throw std::runtime_error("no accelerator " + std::string(name));
}

TEST(Accelerators, AllAreThere) {
  std::set<std::string> names;
  for (const auto& accelerator : accelerators()) names.insert(accelerator.name);
  EXPECT_EQ(names, (std::set<std::string>{"a100", "h100", "h200", "b200", "gb200", "b300", "gb300", "l40s", "rtx4090",
                                          "rtx5090", "trainium2", "trainium3", "tpu-v5p", "tpu-v6e", "tpu-v7", "mi300x",
                                          "mi325x", "mi355x"}));
}

TEST(Accelerators, AreFoundByTheDriversName) {
  ASSERT_NE(find_accelerator("NVIDIA H200"), nullptr);
  EXPECT_EQ(find_accelerator("NVIDIA H200")->name, "h200");
  EXPECT_EQ(find_accelerator("NVIDIA H200 NVL"), nullptr);  // another board, with other peaks
  EXPECT_EQ(find_accelerator(""), nullptr);
  std::set<std::string> seen;
  for (const auto& accelerator : accelerators())
    for (const auto& device : accelerator.device_names) EXPECT_TRUE(seen.insert(device).second) << device;
}

/// Multiply-add rates per clock and SM are known: they and the published clocks give the same peaks.
TEST(Accelerators, PeaksFollowFromUnitsAndClocks) {
  const auto expect_peak = [](const char* name, int multiprocessors, double flops_per_clock, double gigahertz) {
    const double expected = multiprocessors * flops_per_clock * gigahertz * 1e9;
    EXPECT_NEAR(named(name).peak(DType::bf16).value() / expected, 1, 0.005) << name;
  };
  expect_peak("a100", 108, 2048, 1.41);
  expect_peak("h100", 132, 4096, 1.83);
  expect_peak("h200", 132, 4096, 1.83);
  expect_peak("b200", 148, 8192, 1.855);
}

/// Tensor cores halve their rate as operands double in width, on every one of them that has the types.
TEST(Accelerators, RatesHalveAsOperandsWiden) {
  for (const auto& accelerator : accelerators()) {
    ASSERT_TRUE(accelerator.peak(DType::bf16)) << accelerator.name;
    const double bf16 = *accelerator.peak(DType::bf16);
    EXPECT_EQ(accelerator.peak(DType::f16).value_or(bf16), bf16) << accelerator.name;
    if (accelerator.name.starts_with("trainium")) continue;  // its tf32 is as fast as its bf16
    EXPECT_NEAR(accelerator.peak(DType::tf32).value_or(bf16 / 2) / bf16, 0.5, 0.01) << accelerator.name;
  }
}

TEST(Accelerators, UnitsAreBytesAndFlopsNotTheirMultiples) {
  for (const auto& accelerator : accelerators()) {
    for (const auto& peak : accelerator.peaks) {
      EXPECT_GT(peak.flops_per_second, 1e13) << accelerator.name;
      EXPECT_LT(peak.flops_per_second, 2e16) << accelerator.name;
      EXPECT_FALSE(peak.source.empty());
    }
    EXPECT_GT(accelerator.memory_bytes_per_second, 5e11) << accelerator.name;
    EXPECT_LT(accelerator.memory_bytes_per_second, 2e13) << accelerator.name;
    EXPECT_GT(accelerator.memory_bytes, 2e10) << accelerator.name;
    EXPECT_LT(accelerator.memory_bytes, 1e12) << accelerator.name;
    EXPECT_EQ(accelerator.table_only, accelerator.device_names.empty()) << accelerator.name;
    EXPECT_EQ(accelerator.table_only, accelerator.compute_capability == 0) << accelerator.name;
  }
}

TEST(Accelerators, NarrowTypesHaveTheRateOfTheirWidth) {
  EXPECT_EQ(named("h200").peak(DType::e4m3), 1979e12);
  EXPECT_EQ(named("h200").peak(DType::e5m2), 1979e12);
  EXPECT_EQ(named("h200").peak(DType::e2m1), std::nullopt);
  EXPECT_EQ(named("b200").peak(DType::e2m1), 9000e12);
  EXPECT_EQ(named("a100").peak(DType::e4m3), std::nullopt);
}

TEST(Accelerators, SayWhatAPlannerAsks) {
  const Target h200 = target_of(accelerator_named("h200"));
  EXPECT_EQ(h200.device, Device::gpu);
  EXPECT_EQ(h200.compute_capability, 90);
  EXPECT_EQ(h200.multiprocessors, 132);
  EXPECT_EQ(h200.shared_bytes_per_block, 232448u);
  EXPECT_EQ(h200.l2_bytes, std::size_t{60} << 20);
  for (const auto& accelerator : accelerators())
    if (!accelerator.table_only) {
      const Target target = target_of(accelerator);
      EXPECT_GE(target.multiprocessors, 100) << accelerator.name;
      EXPECT_GE(target.shared_bytes_per_block, 99u << 10) << accelerator.name;
      EXPECT_GE(target.l2_bytes, 40u << 20) << accelerator.name;
    }
  EXPECT_THROW(target_of(accelerator_named("tpu-v6e")), InputError);
  EXPECT_THROW(accelerator_named("h20"), InputError);
}

TEST(Accelerators, DisputesAreMarkedAndTheFirstFigureIsUsed) {
  const auto disputed = [](const char* name, DType dtype) {
    for (const auto& peak : named(name).peaks)
      if (peak.dtype == dtype) return peak.disputed;
    throw std::runtime_error("no such peak");
  };
  EXPECT_TRUE(disputed("b200", DType::tf32));
  EXPECT_FALSE(disputed("b200", DType::bf16));
  EXPECT_TRUE(disputed("l40s", DType::bf16));
  EXPECT_EQ(named("l40s").peak(DType::bf16), 362.05e12);
  EXPECT_EQ(named("a100").peak(DType::f32), 19.5e12);
  EXPECT_EQ(named("tpu-v6e").peak(DType::f32), std::nullopt);
}

}  // namespace
}  // namespace assay
