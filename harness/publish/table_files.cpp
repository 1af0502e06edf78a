// The table for other programs: JSON and CSV with the same fields, full precision, null or nothing where not measured.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/publish/table.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

/// One row, flat.  The order is that of the columns of the CSV.
Json fields(const TableRow& row) {
  return {{"id", row.id},
          {"workload", row.workload},
          {"kernel", row.kernel},
          {"vendor", row.vendor},
          {"device", row.device},
          {"accelerator", row.accelerator},
          {"dtype", row.dtype},
          {"shape", row.shape},
          {"labels", row.labels},
          {"mode", row.mode},
          {"cache", row.cache},
          {"outcome", row.outcome},
          {"reason", row.reason},
          {"seconds", number(row.seconds)},
          {"seconds_low", number(row.seconds_low)},
          {"seconds_high", number(row.seconds_high)},
          {"samples", row.samples},
          {"flops_per_second", number(row.flops_per_second)},
          {"bytes_per_second", number(row.bytes_per_second)},
          {"bus_bytes_per_second", number(row.bus_bytes_per_second)},
          {"percent_of_peak", number(row.percent_of_peak)},
          {"percent_of_measured_peak", number(row.percent_of_measured_peak)},
          {"percent_of_vendor", number(row.percent_of_vendor)},
          {"error_over_allowed", number(row.error_over_allowed)},
          {"first_seconds", number(row.first_seconds)},
          {"rank_mean_seconds", number(row.rank_mean_seconds)},
          {"rank_skew_seconds", number(row.rank_skew_seconds)},
          {"predicted_seconds", number(row.predicted_seconds)},
          {"algorithm", row.algorithm},
          {"protocol", row.protocol},
          {"ceiling_bytes_per_second", number(row.ceiling_bytes_per_second)},
          {"percent_of_ceiling", number(row.percent_of_ceiling)},
          {"ceiling", row.ceiling},
          {"percent_of_reference", number(row.percent_of_reference)},
          {"reference", row.reference},
          {"reference_source", row.reference_source}};
}

/// RFC 4180: quoted where it must be, quotes doubled.
std::string csv_cell(const Json& value) {
  if (value.is_null()) return {};
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  out += '"';
  return out;
}

}  // namespace

std::string to_table_json(const std::vector<TableRow>& rows) {
  std::string out = "[";
  const char* separator = "\n";
  for (const auto& row : rows) {
    out += separator + fields(row).dump(-1, ' ', false, Json::error_handler_t::replace);
    separator = ",\n";
  }
  return out + (rows.empty() ? "]\n" : "\n]\n");
}

std::string to_csv(const std::vector<TableRow>& rows) {
  const Json header = fields(TableRow{});
  std::string out;
  for (const auto& [key, value] : header.items()) out += out.empty() ? key : "," + key;
  for (const auto& row : rows) {
    out += "\r\n";
    const char* separator = "";
    const Json values = fields(row);
    for (const auto& [key, value] : values.items()) {
      out += separator;
      out += csv_cell(value);
      separator = ",";
    }
  }
  return out + "\r\n";
}

}  // namespace assay
