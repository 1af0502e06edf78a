// What running at once costs, from the three cases of a point of the `overlap` workload.
#pragma once
#include <string>
#include <vector>

#include "harness/publish/table/table.h"

namespace assay {

struct Overlap {
  std::string point;                // the rows' id without the part
  double gemm = 0, all_reduce = 0;  // seconds alone
  double both = 0;                  // seconds until both are done
  double gemm_slowdown() const { return both / gemm; }
  double all_reduce_slowdown() const { return both / all_reduce; }
  /// Part of the shorter one that the longer one hides: 1 all of it, 0 as one after the other, below 0 worse than that.
  double efficiency() const;
  /// Of the medians' 95 % intervals, all at their worst.
  double efficiency_low = 0, efficiency_high = 0;
};

/// Of the points of which all three parts were measured.
std::vector<Overlap> overlaps(const std::vector<TableRow>&);

/// Markdown; empty where there is none.
std::string to_overlap_table(const std::vector<TableRow>&);

}  // namespace assay
