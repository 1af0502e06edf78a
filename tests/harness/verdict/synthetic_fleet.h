// A fleet made up: nodes that differ as real ones do, with faults planted, and the truth about them.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "harness/record/result.h"

namespace assay {

struct SyntheticFleet {
  std::size_t nodes = 100, cases = 50;
  std::uint64_t seed = 1;
  std::size_t stragglers = 0;  // slow in every case
  double slow = 0.05;          // by how much their rate is lower
  std::size_t one_case = 0;    // slow in one case alone, by 20 %
  std::size_t empty = 0;       // results without a record
  std::size_t broken = 0;      // files cut off in the middle
  std::size_t samples = 30;    // a case
  // Spread between healthy nodes: in all cases alike, and in each by itself.  Together 1.2 to 2 %, as 120 GPUs of one
  // kind showed (746 to 772 TFLOP/s, +-1.7 %).
  double node_spread = 0.007;
};

enum class Planted { none, straggler, one_case, empty, broken };
const char* name(Planted);

class FleetMaker {
 public:
  explicit FleetMaker(const SyntheticFleet&);
  static std::string host(std::size_t node);
  Planted planted(std::size_t node) const { return planted_[node]; }
  std::size_t slow_case(std::size_t node) const { return node % fleet_.cases; }  // of a node slow in one case
  /// The time samples of one node: [case][sample].  Depends on seed and node alone.
  std::vector<std::vector<double>> samples(std::size_t node) const;
  /// The node's result file.
  std::string text(std::size_t node) const;

 private:
  struct Kind {
    double seconds, spread, noise, rho;
    double slow_mode;   // its second mode's distance; 0: it has one mode
    double slow_share;  // samples in it
  };
  SyntheticFleet fleet_;
  std::vector<Planted> planted_;
  std::vector<Kind> kinds_;
  std::string head_, before_seal_;           // of a file, around its records
  std::vector<std::string> before_, after_;  // of each record, around its samples
};

}  // namespace assay
