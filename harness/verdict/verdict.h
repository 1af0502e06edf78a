// A result against expectations: case by case pass, fail or could not measure, each with its reason.  What is missing,
// skipped, empty, stale, interrupted or of another machine never passes.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/record/result.h"
#include "harness/verdict/cause.h"
#include "harness/verdict/expectations.h"

namespace assay {

/// Worst first.
enum class Standing { fail, could_not_measure, not_judged, pass };
/// "fail", "could not measure", "not judged", "pass"
const char* name(Standing);

struct Judgement {
  Standing standing = Standing::could_not_measure;
  bool wrong = false;  // a fail because the numbers were wrong
  std::string result;  // the file
  std::string host;
  std::string id;           // the case; the expectation's pattern where no case was measured
  std::string expectation;  // its name; empty where the case has none
  std::string source;       // of the expectation
  RateUnit unit = RateUnit::flops;
  std::optional<double> measured, least, expected;  // rates; null where not measured
  std::optional<Cause> cause;                       // of a fail
  std::string text;                                 // why, in one line
};

struct Verdict {
  std::vector<Judgement> judgements;

  int count(Standing) const;
  /// wrong_numbers where a case was wrong, else verdict_failed where one failed, else could_not_measure where one could
  /// not be measured or nothing passed, else ok.
  ExitCode code() const;
  /// "FAIL: 2 fail, 1 could not be measured, 14 pass, 3 not judged"
  std::string line() const;
  void sort_worst_first();
};

struct CheckOptions {
  std::chrono::system_clock::time_point now;
  std::optional<std::chrono::seconds> max_age;  // null: any
  bool unsealed = false;                        // results without a seal are taken
  std::optional<int> gpus;                      // that the node should have; null: as many as are on its bus
};

/// `file` names the result in judgements.  `expectations` null: there are none for this machine.
std::vector<Judgement> judge(const Result&, const std::string& file, const Expectations*, const CheckOptions&);

/// Why a measurement cannot be judged: too old, interrupted, too few samples; empty where it can.
std::string unusable(const Record&, const CheckOptions&);
/// The rate that is meant; null where the case has none.
std::optional<double> rate_of(const Rates&, RateUnit);
/// "612 TFLOP/s", "3.20 TB/s"
std::string format_rate(double value, RateUnit);

}  // namespace assay
