// How much two runs of one program differ where nothing changed: what a comparison of one run a side cannot see in its
// own samples.
//
// The model is that of moderated variances (Smyth 2004, for genes of which few copies are measured; here: cases of
// which one run a side is).  The logarithm of the ratio of two runs' medians has a variance of its own for every case
// and hour, 2 sigma^2, drawn about a common scale as nu0 s0^2 over chi-squared of nu0: seen without that variance, it
// is Student's t of nu0 degrees times sqrt(2) s0.
//
// - s0 is the prior of the case's class (calibrated in compare_scatter.cpp); what disturbed the runs, by their own
//   telemetry or their samples, is added in quadrature.
// - One factor on s0 is learned from the other cases of the same two results, of which most did not change: a quantile
//   of their distances from no change, each over its own prior and less what the samples explain, weighed against the
//   prior.  About zero, not about their middle: where more than a quarter of the cases changed it grows, and verdicts
//   become inconclusive, not alarms.  The case itself does not count: a change that only it has is not its scatter.
// - nu0 stays as it is however many cases there are: they tell the common scale, not the case's own.
//
// A CPU of a virtual machine has neighbours that nothing in it shows: where one works on the other hardware threads of
// its cores, they are half as fast for as long as it does.  Which run met one is not of the other cases' knowledge: it
// is added whatever they say, and one run a side tells there no more than changes by more than a factor of two.
//
// A history of at least 3 runs of one program tells a case's own variance instead, with a degree less than it has runs.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/record/record.h"
#include "harness/verdict/ratio_test.h"

namespace assay {

enum class ScatterSource { prior, history };
const char* name(ScatterSource);

struct CaseScatter {
  RunScatter runs;
  ScatterSource source = ScatterSource::prior;
  std::size_t observed = 0;  // prior: other cases that told its factor; history: its runs
  std::string class_name;    // prior: "CPU, memory-bound"
  std::string disturbed;     // prior: "BASE: other work took 0.9 cores"; empty where nothing disturbed
  double factor = 1;         // prior: on its deviation, by the other cases
  // Of a run, by that disturbance and by neighbours in a virtual machine: what other cases say does not make it less.
  double disturbed_deviation = 0;
};

/// In time order, those of the placement class that most ran in.
std::vector<double> samples_of(const Record&);

/// The prior of a case that both results have.  `virtual_machine`: one of them is of one.
CaseScatter prior_scatter(const Record& base, const Record& next, bool virtual_machine);

/// A case as evidence for the others.
struct CaseShift {
  double log_ratio = 0;  // of the medians
  double within = 0;     // the standard deviation of that, as the samples explain it
  double prior = 0;      // deviation of a run by its own prior
};
/// Factor on the prior's deviation of a case, from other cases that nothing disturbed; 1 without any, 6 at most.
double scatter_factor(const std::vector<CaseShift>& others);

constexpr std::size_t kLeastHistory = 3;  // two runs have one degree, and then nothing short of 10 sigma is a change

/// From runs of one program that may be compared with each other and with `base`; nothing where they are fewer than 3.
std::optional<CaseScatter> learned_scatter(const Record& base, std::span<const Record* const> history);

}  // namespace assay
