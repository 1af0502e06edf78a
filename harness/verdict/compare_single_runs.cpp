#include "harness/verdict/compare_single_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

CaseShift shift_of(const CaseChange& one) {
  constexpr double kWidth = 2 * 1.959963984540054;  // of a 95 % interval of samples alone, in standard deviations
  const Interval& range = one.test->ratio_95;
  return {std::log(one.test->ratio), std::log(range.high / range.low) / kWidth, one.scatter->runs.deviation};
}

/// Each case's prior, moderated by the other cases that nothing disturbed.
void add_priors(const std::vector<CaseSides>& sides, bool virtual_machine, std::vector<CaseChange>& cases) {
  for (std::size_t i = 0; i < cases.size(); ++i)
    if (cases[i].test)
      cases[i].scatter = prior_scatter(*sides[i].base.front(), *sides[i].next.front(), virtual_machine);
  const auto others_of = [&](const CaseChange& own) {
    std::vector<CaseShift> others;
    for (const CaseChange& one : cases)
      if (&one != &own && one.scatter && one.scatter->disturbed.empty()) others.push_back(shift_of(one));
    return others;
  };
  for (CaseChange& one : cases) {
    if (!one.scatter) continue;
    const auto others = others_of(one);
    one.scatter->factor = scatter_factor(others);
    one.scatter->observed = others.size();
  }
  for (CaseChange& one : cases) {  // only now: each was evidence by its own prior
    if (!one.scatter) continue;
    double& deviation = one.scatter->runs.deviation;
    deviation = std::hypot(one.scatter->factor * deviation, one.scatter->disturbed_deviation);
  }
}

bool in_virtual_machine(const std::vector<NamedResult>& side) {
  static const nlohmann::json::json_pointer place("/cpu/hypervisor");
  return std::any_of(side.begin(), side.end(), [](const NamedResult& one) {
    const auto& provenance = one.result.provenance;
    return provenance.contains(place) && provenance.at(place) == true;
  });
}

using RunsById = std::map<std::string, std::vector<const Record*>>;

RunsById by_id(const std::vector<NamedResult>& history) {
  RunsById out;
  for (const auto& one : history)
    for (const auto& record : one.result.records) out[record.point.id()].push_back(&record);
  return out;
}

}  // namespace

void add_scatter(const std::vector<CaseSides>& sides, const ComparedRuns& compared, double margin,
                 std::vector<CaseChange>& cases) {
  const auto& history = compared.history;
  add_priors(sides, in_virtual_machine(compared.base) || in_virtual_machine(compared.next), cases);
  const RunsById runs = by_id(history);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CaseChange& one = cases[i];
    if (!one.test) continue;
    const Record &base = *sides[i].base.front(), &next = *sides[i].next.front();
    if (!one.scatter->disturbed.empty()) one.remarks.push_back("disturbed in " + one.scatter->disturbed);
    constexpr double kMovedTogether = 2;  // on the prior: more than its margin
    const auto found = runs.find(one.id);
    const auto learned = found == runs.end() ? std::nullopt : learned_scatter(base, found->second);
    if (!learned && one.scatter->factor > kMovedTogether)
      one.remarks.push_back("other cases moved too: one run a side hardly tells the machine from the program");
    if (learned)
      one.scatter = learned;
    else if (!history.empty())
      one.remarks.push_back(
          fmt::format("the history has fewer than {} runs of it in this placement of cores: the prior "
                      "is used",
                      kLeastHistory));
    one.test = ratio_of_samples(samples_of(base), samples_of(next), one.scatter->runs, margin);
  }
}

}  // namespace assay
