#include "harness/publish/export/bencher.h"

#include <nlohmann/json.hpp>

namespace assay {

using Json = nlohmann::ordered_json;

std::string to_bencher(const std::vector<TableRow>& rows) {
  constexpr double kNanosecondsPerSecond = 1e9;  // the unit of bencher's own measure "latency"
  Json out = Json::object();
  for (const auto& row : rows) {
    if (row.outcome != "ok" || !row.seconds || !row.seconds_low || !row.seconds_high) continue;
    Json& one = out[row.id];
    one["latency"] = {{"value", *row.seconds * kNanosecondsPerSecond},
                      {"lower_value", *row.seconds_low * kNanosecondsPerSecond},
                      {"upper_value", *row.seconds_high * kNanosecondsPerSecond}};
    const auto add = [&](const char* key, const std::optional<double>& rate) {
      if (!rate) return;
      const double work = *rate * *row.seconds;
      one[key] = {
          {"value", *rate}, {"lower_value", work / *row.seconds_high}, {"upper_value", work / *row.seconds_low}};
    };
    add("flops-per-second", row.flops_per_second);
    add("bytes-per-second", row.bytes_per_second);
    add("bus-bytes-per-second", row.bus_bytes_per_second);
  }
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay
