// Records with telemetry as a device would leave it, made by hand.
#pragma once
#include <string>

#include "harness/record/record.h"
#include "tests/harness/record/sample_records.h"

namespace assay {

/// Ten readings of a device that holds this clock at this temperature.
inline Telemetry telemetry_at(const std::string& device, double clock_mhz, double celsius) {
  Telemetry t;
  t.device = device;
  t.source = "by hand";
  t.period_seconds = 0.1;
  t.window_seconds = 1;
  for (int i = 0; i < 10; ++i) {
    Reading reading;
    reading.seconds = 0.1 * i;
    reading.clock_mhz = clock_mhz + (i % 3 - 1);
    reading.memory_clock_mhz = 2619;
    reading.power_watts = 650;
    reading.temperature_celsius = celsius - (i == 5 ? 0 : 1);
    t.readings.push_back(reading);
  }
  t.power_cap_watts = 700;
  t.pcie_generation = 5;
  t.pcie_width = 16;
  return t;
}

/// A GEMM of GPU 3 that does 100 FLOP for a byte.
inline Record gpu_record(double clock_mhz = 1755, double celsius = 60) {
  Record record = ok_record(4096, "wgmma_sm90");
  record.point.device = Device::gpu;
  record.point.device_index = 3;
  record.work = {2e12, 2e10, "2 m n k", 0};
  record.telemetry = {telemetry_at("gpu3", clock_mhz, celsius)};
  return record;
}

inline Record cpu_record() {
  Record record = ok_record();
  record.telemetry = {telemetry_at("cpu", 2600, 55)};
  Telemetry& t = record.telemetry.front();
  t.power_cap_watts.reset();
  t.pcie_generation.reset();
  t.pcie_width.reset();
  t.other_load = 0.01;
  t.steal_share = 0;
  t.throttled_seconds = 0;
  return record;
}

}  // namespace assay
