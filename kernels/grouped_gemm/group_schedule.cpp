#include "kernels/grouped_gemm/group_schedule.h"

#include <algorithm>
#include <numeric>

namespace assay {
namespace {

// Time of a group by all threads, over its work divided by the threads: each thread packs operands that another packs
// too, slices are not quite equal, and all wait for the last.
constexpr double kTogetherCost = 1.05;

/// Each of `groups`, the largest first, to the thread that has the least so far.  Returns the largest load.
double share_out(const std::vector<double>& work, const std::vector<int>& groups, int threads,
                 std::vector<std::vector<int>>& alone) {
  std::vector<double> load(std::size_t(threads), 0.0);
  alone.assign(std::size_t(threads), {});
  for (const int group : groups) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += work[std::size_t(group)];
    alone[std::size_t(least - load.begin())].push_back(group);
  }
  return *std::max_element(load.begin(), load.end());
}

}  // namespace

GroupSchedule schedule_groups(const std::vector<double>& work, int threads) {
  threads = std::max(threads, 1);
  std::vector<int> order;
  for (int g = 0; g < int(work.size()); ++g)
    if (work[std::size_t(g)] > 0) order.push_back(g);
  std::stable_sort(order.begin(), order.end(),
                   [&](int x, int y) { return work[std::size_t(x)] > work[std::size_t(y)]; });

  GroupSchedule best;
  double earliest = 0, together = 0;
  for (std::size_t cut = 0; cut <= order.size(); ++cut) {  // the first `cut` groups by all threads
    GroupSchedule schedule;
    schedule.together.assign(order.begin(), order.begin() + std::ptrdiff_t(cut));
    const std::vector<int> rest(order.begin() + std::ptrdiff_t(cut), order.end());
    if (cut > 0) together += work[std::size_t(order[cut - 1])] / threads * (threads > 1 ? kTogetherCost : 1);
    const double end = together + share_out(work, rest, threads, schedule.alone);
    if (cut == 0 || end < earliest) best = std::move(schedule), earliest = end;
  }
  return best;
}

}  // namespace assay
