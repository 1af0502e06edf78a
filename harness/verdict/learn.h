// Expectations from nodes known to be good.
#pragma once
#include <string>
#include <vector>

#include "harness/record/named_result.h"
#include "harness/verdict/expectations.h"

namespace assay {

struct LearnOptions {
  std::string name = "learned";
  std::string suite;                      // that measures them; empty: that of the first result
  std::vector<std::string> filters;       // globs over case ids; empty: all
  std::optional<double> least_tolerance;  // null: 3 % from several results, 10 % from one
  bool unsealed = false;
};

/// One floor for each case: the median over the results (and over the GPUs of each), and a tolerance of four robust
/// standard deviations (1.4826 MAD), of the figures' own 95 % intervals, or the least one, whichever is most.
/// InputError for results of different machines, for one that is not complete, not sealed or unfit, and for a case that
/// was wrong, failed, timed out or cut off: nothing is learned from what is not known to be good.
Expectations learn(const std::vector<NamedResult>&, const LearnOptions&);

}  // namespace assay
