// Which threads of a CPU compute which groups.
#pragma once
#include <vector>

namespace assay {

struct GroupSchedule {
  std::vector<int> together;            // by all threads, one group after the other
  std::vector<std::vector<int>> alone;  // [threads]: what each thread then computes by itself
};

/// Of groups that cost `work` each (0: left out).  Groups that threads compute alone need no cutting and no waiting,
/// but end together only where there are enough of about the same size; so the largest ones, as many as make the end
/// earliest, are cut across all threads first.
GroupSchedule schedule_groups(const std::vector<double>& work, int threads);

}  // namespace assay
