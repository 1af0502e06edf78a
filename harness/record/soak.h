// What a soak adds to a case's record: how its speed went over the hours, and whether its bits stayed what they were.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/measure/measurement.h"
#include "harness/measure/soak_series.h"

namespace assay {

/// The first output that was not the expected one.
struct Corruption {
  std::string device;  // "gpu3"
  std::string tensor;  // "d"
  std::string place;   // "d[12, 7]"
  std::int64_t element = 0;
  std::uint64_t expected = 0, got = 0;  // its bits
  int bits = 0;                         // of an element
  std::int64_t differing = 0;           // elements of that output
  std::int64_t repetition = 0;          // 0: the first, which the others are compared with
  int set = 0;                          // of rotated buffers
  double at_seconds = 0;                // since the soak began
  std::string at_utc;

  /// "d[12, 7] on gpu3 was 3f8b, expected 3f83 (bit 3 flipped), at 2026-01-31T12:34:56Z, 1234.5 s into the soak"
  std::string describe() const;
};

struct Soak {
  double asked_seconds = 0, lasted_seconds = 0;
  std::int64_t launches = 0;
  std::int64_t digested = 0;   // outputs compared; less than launches where a launch's output was written over before
  std::int64_t corrupted = 0;  // of them
  std::optional<Corruption> first_corruption;
  /// Of the output.  The same on every machine for equal `digest_of` (the case without its device) and `computed_by`
  /// (what the bits depend on: processor family, number of CPU threads, the kernel's choice).
  std::string digest, digest_of, computed_by;
  std::vector<SoakInterval> intervals;  // the measurement's samples are their seconds_per_launch()
  double throttle_percent = 0;          // less throughput than that counts
  std::optional<Throttle> throttle;     // null: no baseline
};

nlohmann::ordered_json to_json(const Soak&);
/// `samples`: of the record's measurement, one an interval.
Soak soak_from_json(const nlohmann::ordered_json&, const Measurement& samples, const std::string& source,
                    const std::string& place);

}  // namespace assay
