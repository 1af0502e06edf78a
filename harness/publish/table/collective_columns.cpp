#include "harness/publish/table/collective_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/publish/collective_ceiling.h"
#include "harness/suite/references.h"

namespace assay {
namespace {

constexpr const char* kNoReference = "no reference";

/// Whether what all ranks of the run copy at once is one memory's.
bool on_one_host(const Result& result) {
  const auto run = result.provenance.find("run");
  if (run == result.provenance.end() || !run->is_object()) return false;
  const auto ranks = run->value("ranks", nlohmann::ordered_json()),
             same = run->value("one_host", nlohmann::ordered_json());
  return (ranks.is_number_integer() && ranks.get<int>() == 1) || (same.is_boolean() && same.get<bool>());
}

/// Hosts that the ranks' GPUs are of: a process that drives all of them is on one.
int nodes_of(const Result& result) {
  const auto run = result.provenance.find("run");
  if (run == result.provenance.end() || !run->is_object()) return 1;
  std::set<std::string> hosts;
  for (const auto& gpu : run->value("gpus", nlohmann::ordered_json::array()))
    if (gpu.is_object()) hosts.insert(gpu.value("host", nlohmann::ordered_json()).dump());
  return std::max(1, int(hosts.size()));
}

Ceiling ceiling_of(const Record& record, const Result& result, const MeasuredPeaks& peaks,
                   const Accelerator* accelerator, const std::string& algorithm) {
  const Case& point = record.point;
  const int ranks = int(point.number_or("ranks", 1));
  if (point.device == Device::gpu) {
    const int nodes = nodes_of(result);
    return collective_ceiling({accelerator, ranks / nodes, nodes, 0, 0}, point.workload, route_of(algorithm));
  }
  if (point.cache == Cache::hot) return {0, {}, "hot messages stay in the caches"};
  if (!on_one_host(result)) return {0, {}, "the ranks are not known to share one host's memory"};
  return memory_ceiling(point.workload, ranks, point.word_or("placement", "out_of_place") == "in_place",
                        record.work.bus_factor, peaks.copy_rate(point).value_or(0));
}

Nvls nvls_of(const Record& record, const std::string& algorithm) {
  if (record.point.word_or("nvls", "auto") == "off") return Nvls::off;
  if (route_of(algorithm) == CollectiveRoute::nvls) return Nvls::on;
  return route_of(algorithm) == CollectiveRoute::ring ? Nvls::off : Nvls::unknown;
}

void add_reference(const Record& record, double busbw, int nodes, const Accelerator* accelerator, TableRow& row) {
  row.reference = kNoReference;
  if (!accelerator) return;
  const auto found =
      nearest_reference({accelerator->name, record.point.workload, int(record.point.number_or("ranks", 1)), nodes,
                         record.work.bytes, nvls_of(record, row.algorithm)},
                        collective_references());
  if (!found) return;
  row.percent_of_reference = 100 * busbw / found->bus_bytes_per_second;
  row.reference = fmt::format("{} ({})", found->series->system, found->series->label);
  row.reference_source = fmt::format("{}: {}; {}", row.reference, found->series->source, found->series->conditions);
}

/// Each text once, in order.
template <class Text>
std::vector<std::string> distinct(const std::vector<TableRow>& rows, const Text& text) {
  std::vector<std::string> out;
  for (const auto& row : rows)
    if (const std::string one = text(row); !one.empty() && std::find(out.begin(), out.end(), one) == out.end())
      out.push_back(one);
  return out;
}

}  // namespace

void add_collective_columns(const Record& record, const Rates& derived, const Result& result,
                            const MeasuredPeaks& peaks, TableRow& row) {
  if (derived.ranks) {
    row.rank_mean_seconds = derived.ranks->mean_seconds;
    row.rank_skew_seconds = derived.ranks->skew_seconds;
  }
  row.algorithm = detail_word(record, "algorithm").value_or("");
  row.protocol = detail_word(record, "protocol").value_or("");
  row.predicted_seconds = detail_number(record, "predicted_seconds");
  if (!derived.bus_bytes_per_second) return;
  const bool gpu = record.point.device == Device::gpu;
  const Accelerator* accelerator = gpu ? find_accelerator(row.accelerator) : nullptr;
  const Ceiling ceiling = ceiling_of(record, result, peaks, accelerator, row.algorithm);
  row.ceiling = ceiling.known() ? ceiling.formula : "no ceiling: " + ceiling.why;
  if (ceiling.known()) {
    row.ceiling_bytes_per_second = ceiling.bus_bytes_per_second;
    row.percent_of_ceiling = 100 * *derived.bus_bytes_per_second / ceiling.bus_bytes_per_second;
  }
  if (gpu) add_reference(record, *derived.bus_bytes_per_second, nodes_of(result), accelerator, row);
}

std::vector<std::string> collective_notes(const std::vector<TableRow>& rows) {
  std::vector<std::string> notes;
  const auto has = [&](const char* device, std::optional<double> TableRow::*value) {
    return std::any_of(rows.begin(), rows.end(),
                       [&](const TableRow& row) { return row.device.starts_with(device) && row.*value; });
  };
  if (has("", &TableRow::rank_skew_seconds))
    notes.push_back("skew: the slowest rank's time less the fastest's, median over samples.");
  if (has("cpu", &TableRow::percent_of_ceiling))
    notes.push_back(
        "% of ceiling on a CPU: of the busbw at which all inputs are read once and all outputs written once at the "
        "copy "
        "rate measured in the same result; messages that stay in the caches may exceed it.");
  if (has("gpu", &TableRow::percent_of_ceiling))
    notes.push_back(
        "% of ceiling on GPUs: of the busbw that their links allow (configs/accelerators) by the algorithm that the "
        "library chose, or by the best one where it does not say.");
  for (auto& why : distinct(rows, [](const TableRow& row) {
         return row.ceiling.starts_with("no ceiling") ? row.ceiling + "." : std::string();
       }))
    notes.push_back(std::move(why));
  for (auto& source : distinct(rows, [](const TableRow& row) { return row.reference_source; }))
    notes.push_back("reference " + source + ".");
  return notes;
}

}  // namespace assay
