// Records and nodes of a soak, made by hand.
#pragma once
#include "tests/harness/record/sample_records.h"

namespace assay {

/// On the CPU, or on a GPU where one is given.
inline Record soaked(const std::string& digest, std::int64_t m = 64, int gpu = -1) {
  Record record = ok_record(m, "cpu_blocked");
  if (gpu >= 0) {
    record.point.device = Device::gpu;
    record.point.device_index = gpu;
  }
  Soak soak;
  soak.asked_seconds = soak.lasted_seconds = 20;
  soak.launches = soak.digested = 20;
  soak.digest = digest;
  soak.digest_of = "gemm/cpu_blocked/bf16/m=" + std::to_string(m);
  soak.computed_by = gpu < 0 ? "cpu, 2 threads" : "sm_90, 132 multiprocessors";
  for (std::size_t i = 0; i < record.measurement.seconds.size(); ++i)
    soak.intervals.push_back({double(i), record.measurement.seconds[i], 1, record.measurement.seconds[i], {}});
  record.soak = std::move(soak);
  return record;
}

inline Result soaked_node(const std::string& host, std::vector<Record> records) {
  Result result = sample_result(std::move(records));
  result.provenance["system"]["hostname"] = host;
  return result;
}

}  // namespace assay
