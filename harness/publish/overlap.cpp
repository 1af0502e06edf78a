#include "harness/publish/overlap.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace assay {
namespace {

constexpr std::array kParts = {"gemm", "all_reduce", "both"};
using Parts = std::array<const TableRow*, kParts.size()>;

std::string axis(std::size_t part) { return fmt::format("/part={}", kParts[part]); }

double efficiency(double gemm, double all_reduce, double both) {
  return (gemm + all_reduce - both) / std::min(gemm, all_reduce);
}

Overlap overlap_of(const std::string& point, const Parts& parts) {
  const auto& [gemm, all_reduce, both] = parts;
  Overlap out{point, *gemm->seconds, *all_reduce->seconds, *both->seconds};
  out.efficiency_low = efficiency(*gemm->seconds_low, *all_reduce->seconds_low, *both->seconds_high);
  out.efficiency_high = efficiency(*gemm->seconds_high, *all_reduce->seconds_high, *both->seconds_low);
  return out;
}

}  // namespace

double Overlap::efficiency() const { return assay::efficiency(gemm, all_reduce, both); }

std::vector<Overlap> overlaps(const std::vector<TableRow>& rows) {
  std::vector<std::string> order;
  std::map<std::string, Parts> points;
  for (const TableRow& row : rows)
    for (std::size_t part = 0; part < kParts.size() && row.workload == "overlap"; ++part) {
      std::string point = row.id;
      const std::size_t at = point.find(axis(part) + "/");
      if (at == std::string::npos || !row.seconds) continue;
      point.erase(at, axis(part).size());
      if (!points.count(point)) order.push_back(point);
      points[point][part] = &row;
    }
  std::vector<Overlap> out;
  for (const std::string& point : order)
    if (const Parts& parts = points[point]; std::count(parts.begin(), parts.end(), nullptr) == 0)
      out.push_back(overlap_of(point, parts));
  return out;
}

std::string to_overlap_table(const std::vector<TableRow>& rows) {
  const auto all = overlaps(rows);
  if (all.empty()) return {};
  std::string text =
      "| at once | GEMM alone | all-reduce alone | both | GEMM slower | all-reduce slower | overlap efficiency |\n"
      "|---|---:|---:|---:|---:|---:|---:|\n";
  for (const Overlap& one : all)
    text += fmt::format("| {} | {:.4g} ms | {:.4g} ms | {:.4g} ms | {:.2f}x | {:.2f}x | {:.2f} ({:.2f} to {:.2f}) |\n",
                        one.point, one.gemm * 1e3, one.all_reduce * 1e3, one.both * 1e3, one.gemm_slowdown(),
                        one.all_reduce_slowdown(), one.efficiency(), one.efficiency_low, one.efficiency_high);
  return text +
         "slower: both over one alone; efficiency: the part of the shorter that the longer hides (0: as one after the "
         "other)\n";
}

}  // namespace assay
