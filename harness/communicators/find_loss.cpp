#include "harness/communicators/find_loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

namespace assay {
namespace {

using State = RankView::State;
using Ranks = std::vector<const RankView*>;

Ranks those(const std::vector<RankView>& all, const std::function<bool(const RankView&)>& wanted) {
  Ranks out;
  for (const RankView& one : all)
    if (wanted(one)) out.push_back(&one);
  return out;
}

bool is_present(const RankView& view) { return view.state == State::present; }

std::string who(const RankView& view) { return describe(view.identity, view.status); }

/// "lost rank 1 (node7, pid 3, cpu): HOW; it was in operation ..."
Loss lost(const Ranks& ranks, const std::string& how) {
  Loss loss;
  std::string names;
  for (const RankView* one : ranks) {
    loss.culprits.push_back(one->identity.rank);
    if (loss.culprits.size() <= 8) names += (names.empty() ? "" : ", ") + who(*one);
  }
  if (ranks.size() > 8) names += fmt::format(" and {} more", ranks.size() - 8);
  loss.what = fmt::format("lost {}: {}; {} {}", names, how,
                          ranks.size() == 1 ? "when last heard it was" : "when last heard the first of them was",
                          describe(ranks.front()->status));
  return loss;
}

/// What must be alike where numbers are; bytes of texts differ by right.
std::tuple<OperationKind, double> signature(const RankStatus& status) {
  return {status.kind, status.kind == OperationKind::launch ? status.bytes : 0};
}

std::optional<Loss> find_mismatch(const std::vector<RankView>& all) {
  std::map<std::int64_t, Ranks> by_number;
  for (const RankView* one : those(all, is_present))
    if (one->status.operation > 0) by_number[one->status.operation].push_back(one);
  for (const auto& [number, ranks] : by_number) {
    std::map<std::tuple<OperationKind, double>, Ranks> kinds;
    for (const RankView* one : ranks) kinds[signature(one->status)].push_back(one);
    if (kinds.size() == 1) continue;
    // Most ranks are right; of as many, those with the lowest rank.
    const auto right = std::max_element(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second.size(), -a.second.front()->identity.rank) <
             std::pair(b.second.size(), -b.second.front()->identity.rank);
    });
    Ranks wrong;
    for (const auto& [kind, members] : kinds)
      if (kind != right->first) wrong.insert(wrong.end(), members.begin(), members.end());
    const RankStatus& other = right->second.front()->status;
    return lost(wrong, fmt::format("it left the common order: operation {} of rank {} is {} of {:.0f} bytes", number,
                                   right->second.front()->identity.rank, name(other.kind), other.bytes));
  }
  return std::nullopt;
}

std::optional<Loss> find_overdue(const std::vector<RankView>& all, double deadline) {
  const Ranks present = those(all, is_present);
  const auto waits = [&](const RankView* one) {
    return one->status.inside && one->status.seconds + one->silent_seconds > deadline;
  };
  const auto waiting = std::find_if(present.begin(), present.end(), waits);
  if (waiting == present.end()) return std::nullopt;
  std::int64_t lowest = present.front()->status.operation;
  for (const RankView* one : present) lowest = std::min(lowest, one->status.operation);
  const auto behind = [&](bool inside) {
    return those(all, [&](const RankView& one) {
      return is_present(one) && one.status.operation == lowest && one.status.inside == inside;
    });
  };
  const Ranks outside = behind(false), inside = behind(true);
  if (outside.empty() && inside.size() == present.size()) {
    // One that was stopped within the operation may just not have been silent for long enough: soon it speaks, or has.
    const auto may_be_stopped = [&](const RankView* one) { return one->silent_seconds > deadline / 2; };
    if (std::any_of(present.begin(), present.end(), may_be_stopped)) return std::nullopt;
    return Loss{{},
                fmt::format("no rank is behind: all {} are {}, and it does not end", present.size(),
                            describe((*waiting)->status))};
  }
  return lost(outside.empty() ? inside : outside,
              fmt::format("rank {} waits for it {}", (*waiting)->identity.rank, describe((*waiting)->status)));
}

/// All ranks compute, each by itself, and none comes to an end.
std::optional<Loss> find_standstill(const std::vector<RankView>& all, double deadline) {
  const Ranks present = those(all, is_present);
  const auto stands = [&](const RankView* one) {
    return !one->status.inside && one->status.seconds + one->silent_seconds > kIdleDeadlines * deadline;
  };
  if (present.empty() || !std::all_of(present.begin(), present.end(), stands)) return std::nullopt;
  return Loss{{},
              fmt::format("no rank is behind: all {} are {}, and none goes on", present.size(),
                          describe(present.front()->status))};
}

}  // namespace

std::optional<Loss> find_loss(const std::vector<RankView>& all, double deadline) {
  if (const Ranks ended = those(all, [](const RankView& one) { return one.state == State::ended; }); !ended.empty())
    return lost(ended, "its process has ended");
  if (auto mismatch = find_mismatch(all)) return mismatch;
  const Ranks silent = those(all, [&](const RankView& one) {
    return (one.state == State::awaited || is_present(one)) && one.silent_seconds > deadline;
  });
  if (!silent.empty())
    return lost(silent, fmt::format("nothing was heard of it for {:.1f} s (stopped, or its host or network is gone)",
                                    silent.front()->silent_seconds));
  if (auto overdue = find_overdue(all, deadline)) return overdue;
  return find_standstill(all, deadline);
}

std::string describe_all(const std::vector<RankView>& all, const Loss& loss) {
  constexpr int kShown = 8;
  std::string out;
  for (const RankView& one : all) {
    const bool at_fault = std::count(loss.culprits.begin(), loss.culprits.end(), one.identity.rank) > 0;
    if (at_fault || one.identity.rank < kShown)
      out += fmt::format("  {} {}: {}\n", at_fault ? ">" : " ", who(one), describe(one.status));
  }
  return out;
}

}  // namespace assay
