// Two results, or two sets of results, case by case: faster, slower, the same, or why that cannot be said.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/record/named_result.h"
#include "harness/verdict/compare_scatter.h"
#include "harness/verdict/ratio_test.h"

namespace assay {

struct CompareRule {
  double margin = 0.02;  // relative; a difference within it does not matter
  double level = 0.05;   // chance of one false verdict or more among all cases
};

struct ComparedRuns {
  std::vector<NamedResult> base, next;
  bool paired = false;                    // base[i] and next[i] took turns; else they were measured independently
  std::vector<NamedResult> history = {};  // runs of one program here: how much runs differ; for one result a side
};

enum class Change {
  faster,
  slower,
  same,
  inconclusive,
  broken,        // wrong, failed or timed out on one side
  not_measured,  // skipped on a side, or on both
  refused,       // the same work under conditions that may not be compared
  only_base,
  only_new,
};
const char* name(Change);

struct CaseChange {
  std::string id;
  Change change = Change::inconclusive;
  std::string reason;                               // empty where `change` says it all
  std::vector<std::string> remarks;                 // what to know beside it
  std::optional<OutcomeKind> ended_in_new;          // broken: how it ended there, where it is NEW that broke
  std::optional<double> base_seconds, new_seconds;  // medians; of several runs their geometric mean
  std::size_t base_units = 0, new_units = 0;        // effective samples, or runs
  std::optional<RatioTest> test;                    // where both sides were measured
  std::optional<CaseScatter> scatter;               // of runs, where one a side cannot show it
  std::optional<double> p_changed, p_not_same;      // after Holm's correction for all cases
  std::optional<double> clock_ratio;                // new clock over base clock, where both sides' telemetry says
  std::optional<double> cycles_ratio;               // the ratio at the same clock: ratio times clock_ratio
};

/// What the two sides' machines, builds or drivers differ in.
struct Difference {
  std::string what, base, next;
};

struct Comparison {
  CompareRule rule;
  ComparedUnit unit = ComparedUnit::sample;
  std::vector<Difference> differences;
  std::vector<CaseChange> cases;  // in the order of base, then what only new has

  std::size_t count(Change) const;
};

/// InputError where one side has one result and the other several, pairs are not pairs, or a history is too short, of
/// another machine, or beside several runs a side.
Comparison compare(const ComparedRuns&, const CompareRule&);

/// wrong_numbers: a case became wrong.  verdict_failed: one is slower beyond the margin, or was measured in base and
/// failed in new.  could_not_measure: nothing could be compared.
ExitCode exit_code_of(const Comparison&);

}  // namespace assay
