#include "harness/verdict/stragglers.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/units.h"
#include "harness/verdict/straggler_evidence.h"

namespace assay {
namespace {

/// Of `slower`, what is suspected in a pass: the mean of all passes has less noise than each, and decides.
constexpr double kSuspicion = 0.5;

/// One pass, compared.
struct Compared {
  std::vector<std::optional<ProbeComparison>> compute, memory;  // by member
  std::vector<Arrival> arrivals;                                // by rank; empty where not judged
  SlowLinks links;
};

Compared compare(const StragglerPass& pass, double slower) {
  return {compare_probes(pass.members, pass.compute, slower), compare_probes(pass.members, pass.memory, slower),
          compare_arrivals(pass), find_slow_links(pass)};
}

/// Seconds as people read them: "0.21 ms".
std::string duration(double seconds) {
  if (std::abs(seconds) < 1e-3) return fmt::format("{:.3g} us", seconds * 1e6);
  return seconds < 1 ? fmt::format("{:.3g} ms", seconds * 1e3) : fmt::format("{:.3g} s", seconds);
}

std::string probe_text(const char* what, const std::optional<ProbeComparison>& probe, double slower) {
  if (!probe) return {};
  const std::string others =
      probe->others == 1 ? "the other's" : fmt::format("the median of the other {}", probe->others);
  if (!probe->slow(slower))
    return fmt::format("{} probe as fast as {} ({:+.0f} %)", what, others,
                       -100 * probe->slowdown / (1 + probe->slowdown));
  return fmt::format("{} probe {:.0f} % slower than {}", what, 100 * probe->slowdown, others);
}

std::string arrival_text(const Arrival& arrival) {
  const double late = arrival.late_seconds;
  return fmt::format("last to arrive in {} of {} operations, {} {} the others; waits {} in one, the others {}",
                     arrival.last, arrival.operations, duration(std::abs(late)), late < 0 ? "before" : "after",
                     duration(arrival.wait_seconds), duration(arrival.others_wait_seconds));
}

std::string links_text(const StragglerPass& pass, const SlowLinks& links, int rank) {
  for (const auto& node : links.nodes)
    if (node.rank == rank)
      return fmt::format("{} of its {} pairs slow, by {:.0f} %", node.slow, node.pairs, 100 * node.slowdown);
  std::vector<std::string> slow;
  for (const auto& pair : links.pairs)
    if (pair.ranks.first == rank || pair.ranks.second == rank)
      slow.push_back(fmt::format("{} ({:.0f} % slower)",
                                 pair.ranks.first == rank ? pair.ranks.second : pair.ranks.first, 100 * pair.slowdown));
  if (!slow.empty()) return fmt::format("slow with rank {} alone", fmt::join(slow, ", "));
  const bool has_pairs = std::any_of(pass.pairs.begin(), pass.pairs.end(), [&](const PairTimes& pair) {
    return pair.ranks.first == rank || pair.ranks.second == rank;
  });
  if (!links.not_judged.empty() || !has_pairs) return {};
  return fmt::format("pairs with rank {} as fast as others", rank);
}

/// What every accusation of the member shows, whatever it is accused of.
std::vector<std::string> evidence(const StragglerPass& pass, const Compared& in, std::size_t member, double slower) {
  std::vector<std::string> out = {probe_text("compute", in.compute[member], slower),
                                  probe_text("memory", in.memory[member], slower)};
  const int rank = pass.members[member].rank;
  if (std::size_t(rank) < in.arrivals.size()) out.push_back(arrival_text(in.arrivals[std::size_t(rank)]));
  out.push_back(links_text(pass, in.links, rank));
  std::erase_if(out, [](const std::string& text) { return text.empty(); });
  return out;
}

/// The accusations of one pass: cause, member, partner, how much.  Their texts come with the first pass.
struct Accusation {
  StragglerCause cause;
  std::size_t member;
  std::optional<std::size_t> partner;
  double slowdown;
  bool same_as(const Accusation& other) const {
    return cause == other.cause && member == other.member && partner == other.partner;
  }
};

std::size_t first_member_of(const StragglerPass& pass, int rank) {
  return std::size_t(std::find_if(pass.members.begin(), pass.members.end(),
                                  [&](const StragglerMember& one) { return one.rank == rank; }) -
                     pass.members.begin());
}

/// All that one pass suspects, whether or not one of them is another's cause.
std::vector<Accusation> accuse(const StragglerPass& pass, const Compared& in, double slower) {
  std::vector<Accusation> out;
  for (std::size_t i = 0; i < pass.members.size(); ++i) {
    if (in.compute[i] && in.compute[i]->slow(slower))
      out.push_back({StragglerCause::compute, i, std::nullopt, in.compute[i]->slowdown});
    if (in.memory[i] && in.memory[i]->slow(slower))
      out.push_back({StragglerCause::memory, i, std::nullopt, in.memory[i]->slowdown});
  }
  for (const auto& node : in.links.nodes)
    out.push_back({StragglerCause::node_link, first_member_of(pass, node.rank), std::nullopt, node.slowdown});
  for (const auto& pair : in.links.pairs)
    out.push_back({StragglerCause::pair_link, first_member_of(pass, pair.ranks.first),
                   first_member_of(pass, pair.ranks.second), pair.slowdown});
  for (std::size_t rank = 0; rank < in.arrivals.size(); ++rank)
    if (in.arrivals[rank].late(slower))
      out.push_back(
          {StragglerCause::arrival, first_member_of(pass, int(rank)), std::nullopt, in.arrivals[rank].of_work});
  return out;
}

/// Only now that it is known which accusations stand: what one that stands explains is none of its own.  A processor
/// moves its messages and comes late because it is slow; a suspicion that fell explains nothing.
std::vector<Accusation> causes(const std::vector<Accusation>& standing, const StragglerPass& pass) {
  std::vector<Accusation> out;
  const auto explained = [&](std::size_t member) {
    return std::any_of(out.begin(), out.end(), [&](const Accusation& one) {
      return pass.members[one.member].rank == pass.members[member].rank && one.cause != StragglerCause::pair_link;
    });
  };
  for (const Accusation& one : standing) {
    const bool probe = one.cause == StragglerCause::compute || one.cause == StragglerCause::memory;
    const bool same_member =
        !out.empty() && out.back().member == one.member && out.back().cause == StragglerCause::compute;
    if (probe ? same_member : explained(one.member) || (one.partner && explained(*one.partner))) continue;
    out.push_back(one);
  }
  return out;
}

std::string conclusion(const Accusation& one, const std::optional<StragglerMember>& partner) {
  switch (one.cause) {
    case StragglerCause::compute:
      return "the device's compute, not its link";
    case StragglerCause::memory:
      return "the device's memory, not its compute nor its link";
    case StragglerCause::node_link:
      return "its link, not its compute";
    case StragglerCause::pair_link:
      return "the link between it and " + describe(*partner) + ", neither of the two";
    case StragglerCause::arrival:
      break;
  }
  return "it comes late for a reason that no probe shows: what its host does between operations";
}

Straggler in_words(const Accusation& one, const StragglerPass& pass, const Compared& in, double slower) {
  Straggler out;
  out.cause = one.cause;
  out.who = pass.members[one.member];
  if (one.partner) out.partner = pass.members[*one.partner];
  out.slowdown = one.slowdown;
  out.evidence = evidence(pass, in, one.member, slower);
  out.verdict =
      fmt::format("{}: {}: {}", describe(out.who), fmt::join(out.evidence, "; "), conclusion(one, out.partner));
  return out;
}

void add_figures(StragglerReport& report, const Compared& in) {
  for (std::size_t i = 0; i < report.members.size(); ++i) {
    StragglerMember& one = report.members[i];
    if (in.compute[i]) one.compute_seconds = in.compute[i]->seconds;
    if (in.memory[i]) one.memory_seconds = in.memory[i]->seconds;
    if (std::size_t(one.rank) >= in.arrivals.size()) continue;
    const Arrival& arrival = in.arrivals[std::size_t(one.rank)];
    one.wait_seconds = arrival.wait_seconds;
    one.late_seconds = arrival.late_seconds;
    one.last = arrival.last;
  }
}

/// What was not judged; where nothing was, that is the reason.
void add_gaps(StragglerReport& report, const StragglerPass& pass, const Compared& in) {
  const auto none = [](const auto& probes) {
    return std::none_of(probes.begin(), probes.end(), [](const auto& one) { return one.has_value(); });
  };
  const bool no_compute = none(in.compute), no_memory = none(in.memory), no_arrival = in.arrivals.empty();
  if (no_compute) report.notes.push_back("no compute probe was undisturbed on every rank");
  if (no_memory) report.notes.push_back("no memory probe was undisturbed on every rank");
  if (no_arrival && !pass.operations.empty())
    report.notes.push_back(fmt::format("arrivals were not judged: fewer than {} of {} operations were undisturbed",
                                       kLeastOperations, pass.operations.size()));
  if (!in.links.not_judged.empty()) report.notes.push_back("links were not judged: " + in.links.not_judged);
  if (report.members.size() < 2)
    report.reason = "one rank with one device: nobody to compare it with; start several with mpirun or srun";
  else if (no_compute && no_memory && no_arrival && !in.links.not_judged.empty())
    report.reason = fmt::format("{}", fmt::join(report.notes, "; "));
}

}  // namespace

StragglerReport judge_stragglers(const std::vector<StragglerPass>& passes, const StragglerRule& rule) {
  const StragglerPass& first = passes.front();
  const double suspicious = kSuspicion * rule.slower;
  const Compared compared = compare(first, suspicious);
  StragglerReport report;
  report.passes = int(passes.size());
  report.operations = compared.arrivals.empty() ? 0 : compared.arrivals.front().operations;
  report.members = first.members;
  report.notes = first.notes;
  for (const auto& pair : first.pairs)
    if (!pair.seconds.empty()) report.pairs.push_back({pair.ranks.first, pair.ranks.second, low(pair.seconds)});
  add_figures(report, compared);
  add_gaps(report, first, compared);
  std::vector<Accusation> standing = accuse(first, compared, suspicious);
  for (std::size_t i = 1; i < passes.size(); ++i) {
    const auto again = accuse(passes[i], compare(passes[i], suspicious), suspicious);
    std::erase_if(standing, [&](Accusation& one) {
      const auto same = std::find_if(again.begin(), again.end(), [&](const Accusation& a) { return one.same_as(a); });
      if (same != again.end()) one.slowdown += same->slowdown;
      return same == again.end();
    });
  }
  for (Accusation& one : standing) one.slowdown /= double(passes.size());
  std::erase_if(standing, [&](const Accusation& one) { return !(one.slowdown >= rule.slower); });
  for (const Accusation& one : causes(standing, first))
    report.found.push_back(in_words(one, first, compared, suspicious));
  return report;
}

bool needs_another_pass(const std::vector<StragglerPass>& passes, StragglerRule rule) {
  if (passes.size() >= kMostPasses) return false;
  rule.slower *= kSuspicion;
  return !judge_stragglers(passes, rule).found.empty();
}

}  // namespace assay
