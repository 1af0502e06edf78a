// What a result's own `peak` cases reached, as the denominators of all its other rates.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/record/result.h"

namespace assay {

/// Of work that only moves memory.
struct MemoryPercent {
  double percent = 0;
  std::string of;  // "triad + copy, near, in turns": what was streamed, where our cores were, and when
};

/// Peaks of one result: what ran on the same machine with as many threads.
///
/// A peak's rate here is that of the 5th percentile of its times, not of their median: other work on the machine slows
/// a peak down, and a low denominator would flatter everything else.  But for a stream that took turns with the record:
/// what disturbed the one disturbed the other, so that is like against like, and a copy has 100 % of itself: the lesser
/// of median against median and 5th percentile against 5th percentile, since a disturbance meets long samples more.
///
/// Memory rates differ by the half with where a hypervisor puts our cores, so a stream counts by its samples in the
/// placement class that the record is summarised in, where it has enough of them; and of several streams of a kind the
/// one counts that took turns with the record, then one in its mode.  `of` says what there was.
class MeasuredPeaks {
 public:
  /// The result must outlive this.
  explicit MeasuredPeaks(const Result&);

  /// Work with FLOP: percent of the most FLOP/s that the device's units reached in that dtype, in the record's mode or
  /// in any where there is none.  Work that only moves memory: of_stream, else of_copy.  Nothing for a peak itself, for
  /// collectives (their bytes are counted as messages, not as memory moved), and where no peak of that kind was
  /// measured.
  std::optional<double> percent(const Record&, const Rates&) const;

  /// Percent of the copy rate; nothing for work that has FLOP, and as above.
  std::optional<MemoryPercent> of_copy(const Record&, const Rates&) const;
  /// Percent of the rate of streams that read and write in the record's proportion (stream_mix.h); nothing where that
  /// is not known or one of them was not measured.
  std::optional<MemoryPercent> of_stream(const Record&, const Rates&) const;

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
  /// Seconds a byte.
  struct Stream {
    double p5 = 0, median = 0;
    bool in_class = true, in_turns = true;
  };
  std::optional<double> rate_of(const Key&, Mode) const;
  std::optional<Stream> stream_for(const std::string& unit, const Record&, const Rates&) const;
  static MemoryPercent percent_of(const Stream&, const std::string& names, const Record&, const Rates&);

  std::map<Key, Best> best_;
  std::vector<const Record*> streams_;  // of memory, measured and right
};

}  // namespace assay
