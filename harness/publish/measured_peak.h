// What a result's own `peak` cases reached, as the denominators of all its other rates.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "harness/record/result.h"

namespace assay {

/// Peaks of one result: what ran on the same machine with as many threads.
class MeasuredPeaks {
 public:
  explicit MeasuredPeaks(const Result&);

  /// Work with FLOP: percent of the most FLOP/s that the device's units reached in that dtype.  Work that only moves
  /// memory: percent of the copy rate.  Measured in the record's mode, or in any where there is none.  Nothing for a
  /// peak itself, for collectives (their bytes are counted as messages, not as memory moved), and where no peak of that
  /// kind was measured.  A peak's rate here is that of the 5th percentile of its times, not of their median: other work
  /// on the machine slows a peak down, and a low denominator would flatter everything else.
  std::optional<double> percent(const Record&, const Rates&) const;

  /// FLOP per second of the device's units in the case's dtype, likewise.
  std::optional<double> flop_rate(const Case&) const;

  /// Bytes read and written per second while copying, in that mode or in any; nothing where it was not measured.
  std::optional<double> copy_rate(const Case&) const;

 private:
  /// Device and what is compared: a dtype, or memory.
  using Key = std::pair<std::string, std::string>;
  struct Best {
    std::map<Mode, double> in_mode;
    double in_any = 0;
  };
  std::optional<double> rate_of(const Key&, Mode) const;

  std::map<Key, Best> best_;
};

}  // namespace assay
