#include "harness/verdict/straggler_evidence.h"

#include <algorithm>
#include <limits>

#include "harness/measure/statistics.h"

namespace assay {
namespace {

constexpr std::size_t kLeastBlocks = 3, kLeastInBlock = 2;
constexpr double kMostlyLast = 0.8;  // of the operations; by chance one of two is last in half of them

/// "gpu" of "gpu3": only the same kind is compared.
std::string kind_of(const StragglerMember& member) {
  return member.device.substr(0, member.device.find_first_of("0123456789"));
}

/// Block by block: this member's time over the others' median.  A block counts where all have samples in it.
std::vector<double> ratios(const std::vector<ProbeBlocks>& probes, std::size_t mine,
                           const std::vector<std::size_t>& others) {
  std::vector<double> out;
  for (std::size_t block = 0; block < probes[mine].size(); ++block) {
    std::vector<double> theirs;
    for (const std::size_t other : others)
      if (block < probes[other].size() && probes[other][block].size() >= kLeastInBlock)
        theirs.push_back(low(probes[other][block]));
    if (probes[mine][block].size() < kLeastInBlock || theirs.size() != others.size()) continue;
    out.push_back(low(probes[mine][block]) / median_of(theirs));
  }
  return out;
}

std::vector<double> all_of(const ProbeBlocks& blocks) {
  std::vector<double> out;
  for (const auto& block : blocks) out.insert(out.end(), block.begin(), block.end());
  return out;
}

bool undisturbed(const OperationTimes& one) {
  return std::find(one.disturbed.begin(), one.disturbed.end(), true) == one.disturbed.end();
}

/// Median time from leaving an operation to arriving at the next, over ranks and operations.  Not of whole steps: where
/// something else has a core meanwhile, most of a step is waiting.
double work_seconds(const std::vector<OperationTimes>& operations) {
  std::vector<double> work;
  for (std::size_t i = 1; i < operations.size(); ++i)
    for (std::size_t rank = 0; rank < operations[i].arrived.size(); ++rank)
      work.push_back(operations[i].arrived[rank] - operations[i - 1].left[rank]);
  return median_of(work);
}

/// `values` without the one at `index`.
double median_of_others(const std::vector<double>& values, std::size_t index) {
  std::vector<double> others = values;
  others.erase(others.begin() + std::ptrdiff_t(index));
  return median_of(others);
}

}  // namespace

double low(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return quantile(samples, kLowQuantile);
}

double median_of(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

std::vector<std::optional<ProbeComparison>> compare_probes(const std::vector<StragglerMember>& members,
                                                           const std::vector<ProbeBlocks>& probes, double slower) {
  std::vector<std::optional<ProbeComparison>> out(members.size());
  for (std::size_t mine = 0; mine < members.size() && probes.size() == members.size(); ++mine) {
    std::vector<std::size_t> others;
    for (std::size_t other = 0; other < members.size(); ++other)
      if (other != mine && kind_of(members[other]) == kind_of(members[mine])) others.push_back(other);
    if (others.empty()) continue;
    const std::vector<double> by_block = ratios(probes, mine, others);
    if (by_block.size() < kLeastBlocks) continue;
    ProbeComparison one;
    one.slowdown = median_of(by_block) - 1;
    one.slow_blocks =
        double(std::count_if(by_block.begin(), by_block.end(), [&](double ratio) { return ratio >= 1 + slower / 2; })) /
        double(by_block.size());
    one.seconds = low(all_of(probes[mine]));
    one.others = others.size();
    out[mine] = one;
  }
  return out;
}

bool Arrival::late(double slower) const {
  return last >= kMostlyLast * operations && of_work >= slower && late_seconds > uncertainty;
}

std::vector<Arrival> compare_arrivals(const StragglerPass& pass) {
  std::vector<const OperationTimes*> clean;
  for (const auto& one : pass.operations)
    if (undisturbed(one)) clean.push_back(&one);
  if (int(clean.size()) < kLeastOperations) return {};
  const std::size_t ranks = clean.front()->arrived.size();
  if (ranks < 2) return {};
  const double work = work_seconds(pass.operations);
  std::vector<Arrival> out(ranks);
  std::vector<double> waits;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    std::vector<double> late, wait;
    for (const auto* one : clean) {
      late.push_back(one->arrived[rank] - median_of_others(one->arrived, rank));
      wait.push_back(one->left[rank] - one->arrived[rank]);
      out[rank].last +=
          std::max_element(one->arrived.begin(), one->arrived.end()) - one->arrived.begin() == std::ptrdiff_t(rank);
    }
    out[rank].operations = int(clean.size());
    out[rank].late_seconds = median_of(late);
    out[rank].of_work = out[rank].late_seconds / work;
    waits.push_back(out[rank].wait_seconds = median_of(wait));
    // Between two other ranks both clocks may be wrong.
    const auto& wrong = pass.clock_uncertainty;
    out[rank].uncertainty = wrong.empty() ? 0 : wrong[rank] + *std::max_element(wrong.begin(), wrong.end());
  }
  for (std::size_t rank = 0; rank < ranks; ++rank) out[rank].others_wait_seconds = median_of_others(waits, rank);
  return out;
}

}  // namespace assay
