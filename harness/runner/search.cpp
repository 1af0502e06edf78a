#include "harness/runner/search.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "harness/core/error.h"

namespace assay {

Suite first_round(const Suite& suite) {
  Suite first = suite;
  first.sampling = suite.search->sampling;
  first.search.reset();
  std::erase_if(first.cases, [&](const Case& point) { return point.workload != suite.search->workload; });
  return first;
}

std::vector<Case> finalists(const SearchRule& rule, const Result& first) {
  struct Entrant {
    double rate;
    const Record* record;
  };
  // In the order in which devices and dtypes come, ours before a library's.
  std::vector<std::tuple<std::string, DType, bool>> groups;
  std::map<std::tuple<std::string, DType, bool>, std::vector<Entrant>> entrants;
  for (const auto& record : first.records) {
    const auto derived = rates(record);
    if (record.point.workload != rule.workload || !derived || !derived->flops_per_second) continue;
    const std::tuple group(record.point.device_name(), record.point.dtype, record.vendor);
    if (entrants[group].empty()) groups.push_back(group);
    entrants[group].push_back({*derived->flops_per_second, &record});
  }
  std::vector<Case> out;
  for (const auto& group : groups) {
    auto& all = entrants[group];
    std::stable_sort(all.begin(), all.end(), [](const Entrant& a, const Entrant& b) { return a.rate > b.rate; });
    all.resize(std::min(all.size(), std::size_t(rule.finalists)));
    for (const Entrant& one : all) out.push_back(one.record->point);
  }
  return out;
}

Suite second_round(const Suite& suite, const Result& first) {
  Suite second = suite;
  std::erase_if(second.cases, [&](const Case& point) { return point.workload == suite.search->workload; });
  const std::vector<Case> chosen = finalists(*suite.search, first);
  if (chosen.empty())
    throw MeasureError("suite '" + suite.name +
                       "': no case of its first round gave a rate, so that there is no fastest");
  second.cases.insert(second.cases.end(), chosen.begin(), chosen.end());
  return second;
}

std::filesystem::path first_round_path(const std::filesystem::path& out) {
  std::filesystem::path path = out;
  return path.replace_extension(".first.json");
}

}  // namespace assay
