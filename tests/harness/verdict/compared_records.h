// Records of calm runs, and their comparison.
#pragma once
#include <cmath>

#include "harness/verdict/compare.h"
#include "tests/harness/measure/streams.h"
#include "tests/harness/record/sample_records.h"

namespace assay {

/// 100 samples about `seconds` with 1 % of noise, of a run that nothing disturbed.
inline Record noisy_record(std::int64_t m, double seconds, std::uint64_t seed, double deviation = 0.01) {
  Record record = ok_record(m);
  record.measurement.seconds.clear();
  Noise noise(seed);
  for (int i = 0; i < 100; ++i) record.measurement.seconds.push_back(seconds * std::exp(deviation * noise.normal()));
  Telemetry calm;
  calm.other_load = 0;
  calm.steal_share = 0;
  record.telemetry = {calm};
  return record;
}

inline Comparison compare_records(std::vector<Record> base, std::vector<Record> next, CompareRule rule = {},
                                  std::vector<NamedResult> history = {}) {
  return compare({{{"base", sample_result(std::move(base))}},
                  {{"new", sample_result(std::move(next))}},
                  false,
                  std::move(history)},
                 rule);
}

}  // namespace assay
