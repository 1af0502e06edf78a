#include "harness/verdict/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "harness/core/error.h"
#include "harness/verdict/digests.h"

namespace assay {
namespace {

constexpr double kLeastSigma = kLeastDeficit / kSigmas;  // so that four sigmas are never less than the least deficit
constexpr double kFalseShare = 0.01;                     // Benjamini-Hochberg's q
constexpr double kPerDevice = 0.005;                     // Bonferroni over one device's cases
constexpr std::size_t kLeastCases = 3;                   // of a workload, to speak of it as a whole

using Unit = std::pair<std::size_t, int>;  // node, device

struct Entry {
  Unit unit;
  const FleetValue* value = nullptr;
  double deficit = 0, similarity = 1, sigma = 1;
  double p = 1, p_uneven = 1;
  bool flagged = false;
};

using Points = std::map<std::uint32_t, std::vector<Entry>>;

std::size_t nodes_in(const std::vector<Entry>& entries) {
  std::set<std::size_t> nodes;
  for (const auto& e : entries) nodes.insert(e.unit.first);
  return nodes.size();
}

Points points_of(const FleetFiles& files, const FleetGroup& group) {
  Points out;
  for (const std::size_t n : group.nodes)
    for (const auto& value : files.nodes[n].values) out[value.point].push_back({{n, value.device}, &value});
  std::erase_if(out, [](const auto& point) { return nodes_in(point.second) < kLeastNodes; });
  return out;
}

void judge_medians(std::vector<Entry>& entries) {
  std::vector<double> rates, deficits;
  for (const auto& e : entries) rates.push_back(1 / e.value->median);
  std::vector<double> work = rates;
  const double median = median_of(work);
  for (const double rate : rates) deficits.push_back(1 - rate / median);
  const Spread spread = spread_of_case(deficits, kLeastSigma);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].deficit = deficits[i];
    entries[i].sigma = spread.sigma;
    entries[i].flagged = !(deficits[i] <= flag_threshold(spread));
    entries[i].p = upper_tail((deficits[i] - spread.centre) / spread.sigma, entries.size());
  }
}

void judge_distributions(std::vector<Entry>& entries) {
  std::vector<Quantiles> samples;
  for (const auto& e : entries) samples.push_back(e.value->quantiles);
  const std::size_t criterion = criterion_of(samples, kSimilar);
  std::vector<double> areas;
  for (const auto& s : samples) areas.push_back(slower_area(s, samples[criterion]) / entries[criterion].value->median);
  const Spread spread = spread_of_case(areas, kLeastSigma);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].similarity = std::max(0.0, 1 - areas[i]);
    if (entries[i].similarity < kSimilar && areas[i] > spread.centre + kSigmas * spread.sigma)
      entries[i].p_uneven = upper_tail((areas[i] - spread.centre) / spread.sigma, entries.size());
  }
}

/// A device's entries of one workload, or of all ("").
struct Aspect {
  std::vector<const Entry*> entries;
  double deficit = 0;
};
using Aspects = std::map<std::pair<std::string, Unit>, Aspect>;

Aspects aspects_of(const Points& points, const FleetCases& cases) {
  Aspects out;
  for (const auto& [point, entries] : points)
    for (const auto& e : entries) {
      out[{"", e.unit}].entries.push_back(&e);
      out[{cases[point].workload, e.unit}].entries.push_back(&e);
    }
  for (auto& [key, aspect] : out) {
    std::vector<double> deficits, weights;
    for (const auto* e : aspect.entries) {
      deficits.push_back(e->deficit);
      weights.push_back(1 / (e->sigma * e->sigma));
    }
    aspect.deficit = weighted_median(deficits, weights);
  }
  return out;
}

const Entry& worst_of(const Aspect& aspect) {
  return **std::max_element(aspect.entries.begin(), aspect.entries.end(),
                            [](const Entry* a, const Entry* b) { return a->deficit < b->deficit; });
}

using Accused = std::map<Unit, Accusation>;

Accusation accusation(const Entry& e, std::string scope, std::string evidence, double deficit, double p) {
  return {e.unit.first,   e.unit.second, std::move(scope), std::move(evidence), deficit, p,
          e.value->point, e.value->file, std::nullopt};
}

/// Slow throughout: over all cases first, then over a workload's.
void accuse_consistent(const Aspects& aspects, Accused& accused) {
  std::map<std::string, std::vector<double>> by_scope;
  for (const auto& [key, aspect] : aspects) by_scope[key.first].push_back(aspect.deficit);
  std::map<std::string, Spread> spreads;
  for (const auto& [scope, deficits] : by_scope) spreads[scope] = robust_spread(deficits, kLeastSigma);
  std::vector<const Aspects::value_type*> tests;
  std::vector<double> p;
  for (const auto& item : aspects) {
    const auto& [key, aspect] = item;
    if (aspect.entries.size() < kLeastCases) continue;
    const Spread& spread = spreads[key.first];
    tests.push_back(&item);
    p.push_back(upper_tail((aspect.deficit - spread.centre) / spread.sigma, by_scope[key.first].size()));
  }
  const auto reject = rejected(p, kFalseShare);
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const auto& [key, aspect] = *tests[i];
    if (!reject[i] || aspect.deficit <= kLeastDeficit) continue;
    const std::string scope = key.first.empty() ? fmt::format("all {} cases", aspect.entries.size())
                                                : fmt::format("{}, {} cases", key.first, aspect.entries.size());
    accused.try_emplace(key.second, accusation(worst_of(aspect), scope, "slow", aspect.deficit, p[i]));
  }
}

/// Slow, or unevenly fast, in single cases.
void accuse_single(const Points& points, const FleetCases& cases, Accused& accused) {
  std::map<Unit, std::size_t> tests_of;
  std::vector<const Entry*> entries;
  std::vector<double> p;
  for (const auto& [point, list] : points)
    for (const auto& e : list) {
      entries.push_back(&e);
      p.push_back(std::min(1.0, 2 * std::min(e.flagged ? e.p : 1, e.p_uneven)));  // two tests a case
      ++tests_of[e.unit];
    }
  const auto reject = rejected(p, kFalseShare);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = *entries[i];
    if (!reject[i] || p[i] * double(tests_of[e.unit]) > kPerDevice) continue;
    const bool slow = e.flagged && e.p <= e.p_uneven;
    const double deficit = slow ? e.deficit : 1 - 1 / (2 - e.similarity);  // the mean's, from the area
    const auto now = accusation(e, cases[e.value->point].id, slow ? "slow" : "uneven", deficit, p[i]);
    const auto [at, added] = accused.try_emplace(e.unit, now);
    if (!added && at->second.scope.find('/') != std::string::npos && at->second.deficit < deficit) at->second = now;
  }
}

void judge_group(const FleetFiles& files, const FleetCases& cases, FleetGroup& group, FleetVerdict& out) {
  Points points = points_of(files, group);
  std::map<Unit, std::size_t> judged;
  for (auto& [point, entries] : points) {
    judge_medians(entries);
    judge_distributions(entries);
    for (const auto& e : entries) {
      ++judged[e.unit];
      out.cells.push_back({e.unit.first, point, e.unit.second, e.deficit, e.similarity, e.flagged});
    }
  }
  group.cases = points.size();
  group.devices = judged.size();
  const Aspects aspects = aspects_of(points, cases);
  Accused accused;
  accuse_consistent(aspects, accused);
  accuse_single(points, cases, accused);
  for (auto& [unit, a] : accused) out.accused.push_back(std::move(a));
  for (const auto& [key, aspect] : aspects)
    if (key.first.empty()) group.standings.push_back({key.second.first, key.second.second, aspect.deficit});
  std::sort(group.standings.begin(), group.standings.end(),
            [](const auto& a, const auto& b) { return a.deficit > b.deficit; });
  // A device without cases that most of the group has is not wholly judged.
  std::map<std::uint32_t, std::set<std::size_t>> having;
  for (const auto& [point, entries] : points)
    for (const auto& e : entries) having[point].insert(e.unit.first);
  std::set<std::size_t> seen;
  for (const auto& [unit, count] : judged) seen.insert(unit.first);
  for (const std::size_t n : group.nodes) {
    if (!seen.count(n)) {
      out.gaps.push_back({files.nodes[n].name, fmt::format("none of its cases was measured on {} nodes of its kind, "
                                                           "which it takes to judge one",
                                                           kLeastNodes)});
      continue;
    }
    std::size_t lacking = 0;
    for (const auto& [point, nodes] : having) lacking += 2 * nodes.size() > group.nodes.size() && !nodes.count(n);
    if (lacking > 0)
      out.gaps.push_back({files.nodes[n].name, fmt::format("{} of {} cases are missing{}", lacking, points.size(),
                                                           files.nodes[n].failures.empty()
                                                               ? std::string()
                                                               : ": " + files.nodes[n].failures.front().reason)});
    else if (!files.nodes[n].complete)
      out.gaps.push_back({files.nodes[n].name, "its result is not complete: the run was cut off"});
  }
}

void accuse_wrong(const FleetFiles& files, FleetVerdict& out) {
  for (std::size_t n = 0; n < files.nodes.size(); ++n)
    for (const auto& failure : files.nodes[n].failures) {
      if (failure.outcome != OutcomeKind::wrong) continue;
      out.wrong_numbers = true;
      std::erase_if(out.accused, [&](const auto& a) { return a.node == n && a.device == failure.device; });
      Accusation a{n, failure.device, failure.id, "wrong", 1, 0, 0, failure.file, std::nullopt};
      a.cause = Cause{CauseCode::wrong_numbers, "computed wrong numbers: " + failure.reason + ": drain the node",
                      Action::drain};
      out.accused.push_back(std::move(a));
    }
}

/// Accuses by the bits of the outputs, whatever kind of node they are of.
void accuse_other_bits(const FleetFiles& files, FleetVerdict& out) {
  std::vector<DigestVote> votes;
  std::vector<std::pair<std::size_t, const FleetDigest*>> of;  // the votes
  std::vector<std::string> without;
  for (std::size_t n = 0; n < files.nodes.size(); ++n) {
    const FleetNode& node = files.nodes[n];
    for (const auto& d : node.digests) {
      votes.push_back({node.name + " " + node.device_name(d.device), d.digest_of, d.computed_by, d.digest});
      of.emplace_back(n, &d);
    }
    if (node.digests.empty()) without.push_back(node.name);
  }
  for (const Dissent& dissent : dissents(votes)) {
    const auto [n, digest] = of[dissent.vote];
    out.wrong_numbers = true;
    const auto same = [node = n, device = digest->device](const auto& a) {
      return a.node == node && a.device == device;
    };
    std::erase_if(out.accused, same);
    out.accused.push_back(
        {n, digest->device, digest->digest_of, "wrong", 1, 0, 0, digest->file, cause_of(dissent, votes)});
  }
  if (!votes.empty() && !without.empty())
    out.notes.push_back(fmt::format("{} of {} nodes gave no soak's digest and are not judged by it: {}{}",
                                    without.size(), files.nodes.size(), without.front(),
                                    without.size() > 1 ? ", ..." : ""));
}

}  // namespace

FleetVerdict judge_fleet(const FleetFiles& files, const FleetCases& cases) {
  FleetVerdict out;
  out.notes = files.notes;
  std::map<std::string, FleetGroup> groups;
  for (std::size_t n = 0; n < files.nodes.size(); ++n) {
    if (files.nodes[n].values.empty()) {
      out.gaps.push_back({files.nodes[n].name, "its result holds no measurement"});
      continue;
    }
    groups[files.nodes[n].hardware].nodes.push_back(n);
  }
  for (auto& [hardware, group] : groups) {
    group.hardware = hardware;
    if (group.nodes.size() < kLeastNodes)
      for (const std::size_t n : group.nodes)
        out.gaps.push_back({files.nodes[n].name, fmt::format("one of {} with {}: a fleet of fewer than {} nodes of a "
                                                             "kind cannot be judged by itself",
                                                             group.nodes.size(), hardware, kLeastNodes)});
    else
      judge_group(files, cases, group, out);
    out.groups.push_back(std::move(group));
  }
  accuse_wrong(files, out);
  accuse_other_bits(files, out);
  for (const auto& file : files.unreadable) out.gaps.push_back(gap_of(file));
  if (files.nodes.empty() && files.unreadable.empty()) out.gaps.push_back({"the fleet", "no result at all"});
  std::sort(out.accused.begin(), out.accused.end(), [](const auto& a, const auto& b) { return a.deficit > b.deficit; });
  return out;
}

int exit_code_of(const FleetVerdict& verdict) {
  if (verdict.wrong_numbers) return int(ExitCode::wrong_numbers);
  if (!verdict.accused.empty()) return int(ExitCode::verdict_failed);
  return int(verdict.gaps.empty() ? ExitCode::ok : ExitCode::could_not_measure);
}

}  // namespace assay
