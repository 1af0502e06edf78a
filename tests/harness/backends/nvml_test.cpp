#include "harness/backends/nvml.h"

#include <gmock/gmock.h>

#include "tests/harness/backends/fake_nvml.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Nvml load() {
  std::string reason;
  auto nvml = Nvml::load(reason);
  if (!nvml) throw std::runtime_error(reason);
  return std::move(*nvml);
}

TEST(Nvml, SaysWhyItIsNotThere) {
  std::string reason;
  EXPECT_FALSE(Nvml::load(reason, "libno-such-library.so.1"));
  EXPECT_THAT(reason, HasSubstr("libno-such-library"));
  ::setenv("ASSAY_NVML_LIBRARY", "libnamed-by-the-environment.so", 1);
  EXPECT_FALSE(Nvml::load(reason));
  ::unsetenv("ASSAY_NVML_LIBRARY");
  EXPECT_THAT(reason, HasSubstr("libnamed-by-the-environment"));
}

TEST(Nvml, ReadsOneGpuByItsBusId) {
  const FakeNvml fake("lack nvmlDeviceGetPowerManagementDefaultLimit\nat 0 s: gpu0.power_limit=650500\n");
  const Nvml nvml = load();
  EXPECT_EQ(nvml.driver_version(), "580.00");
  EXPECT_EQ(nvml.cuda_driver_version(), 13000);
  EXPECT_FALSE(nvml.device("0000:99:00.0"));
  EXPECT_EQ(nvml.find("0000:99:00.0"), nullptr);
  const auto gpu = nvml.device("0000:17:00.0");
  ASSERT_TRUE(gpu);
  EXPECT_EQ(gpu->name, "NVIDIA Fake");
  EXPECT_EQ(gpu->power_limit_watts, 650.5);
  EXPECT_EQ(gpu->power_default_watts, std::nullopt);
  EXPECT_EQ(gpu->power_max_watts, 700.0);
  EXPECT_EQ(gpu->sm_clock_mhz, 1980);
  EXPECT_EQ(gpu->memory_clock_mhz, 2619);
  EXPECT_EQ(gpu->nvlinks, 18);
  EXPECT_EQ(gpu->mig, false);
}

TEST(Nvml, ListsAllInItsOrder) {
  const FakeNvml fake("gpus 2\nat 0 s: gpu1.mig=1 gpu1.nvlinks_active=17 gpu1.limits=thermal,power_cap\n");
  const auto gpus = load().devices();
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[0].pci_bus_id, "0000:17:00.0");
  EXPECT_EQ(gpus[1].pci_bus_id, "0000:18:00.0");
  EXPECT_EQ(gpus[1].index, 1);
  EXPECT_EQ(gpus[0].mig, false);
  EXPECT_EQ(gpus[1].mig, true);
  EXPECT_EQ(gpus[1].nvlinks_active, 17);
  EXPECT_THAT(gpus[1].limits, ElementsAre("power_cap", "thermal"));
}

TEST(Nvml, ReadsPowerByItsOwnQueryOrTheOlderOne) {
  const char* values = "at 0 s: gpu0.power=700123 gpu0.power_average=600000 gpu0.memory_temperature=88\n";
  {
    const FakeNvml fake(values);
    const Nvml nvml = load();
    const NvmlReading now = nvml.read(nvml.find("0000:17:00.0"));
    EXPECT_DOUBLE_EQ(*now.power_watts, 700.123);
    EXPECT_EQ(now.power_average_watts, 600.0);
    EXPECT_EQ(now.memory_temperature_celsius, 88.0);
  }
  const FakeNvml fake(std::string(values) + "lack nvmlDeviceGetFieldValues\n");
  const Nvml nvml = load();
  const NvmlReading now = nvml.read(nvml.find("0000:17:00.0"));
  EXPECT_EQ(now.power_watts, 600.0);
  EXPECT_EQ(now.power_average_watts, std::nullopt);
  EXPECT_EQ(now.memory_temperature_celsius, std::nullopt);
}

TEST(Nvml, WritesBusIdsAsTheSystemDoes) {
  EXPECT_EQ(short_pci_bus_id("00000000:1A:00.0"), "0000:1a:00.0");
  EXPECT_EQ(short_pci_bus_id("0000:1A:00.0"), "0000:1a:00.0");
  EXPECT_EQ(short_pci_bus_id("00010000:1A:00.0"), "00010000:1a:00.0");
}

}  // namespace
}  // namespace assay
