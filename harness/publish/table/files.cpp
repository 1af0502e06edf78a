// The table for other programs: JSON and CSV with the same fields, full precision, null or nothing where not measured.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/core/error.h"
#include "harness/publish/table/fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

/// Of all fields those asked for, in the order asked for.
Json fields(const TableRow& row, const TableColumns& columns) {
  Json all = table_fields(row);
  if (columns.empty()) return all;
  Json out = Json::object();
  for (const auto& key : columns) out[key] = all.at(key);
  return out;
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

Json table_fields(const TableRow& row) {
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
          {"percent_of_copy", number(row.percent_of_copy)},
          {"percent_of_stream", number(row.percent_of_stream)},
          {"stream", row.stream},
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
          {"reference_source", row.reference_source},
          {"origin", row.origin},
          {"source", row.source},
          {"peak_flops_per_second", number(row.peak_flops_per_second)},
          {"percent_at_clock", number(row.percent_at_clock)},
          {"clock_mhz", number(row.clock_mhz)},
          {"power_watts", number(row.power_watts)},
          {"flops_per_joule", number(row.flops_per_joule)},
          {"joules_per_pflop", number(row.joules_per_pflop)},
          {"dollars_per_device_hour", number(row.dollars_per_device_hour)},
          {"price_source", row.price_source},
          {"pflop_per_dollar", number(row.pflop_per_dollar)},
          {"tokens", number(row.tokens)},
          {"tokens_per_dollar", number(row.tokens_per_dollar)},
          {"run", row.run},
          {"cpu", row.cpu},
          {"seal", row.seal}};
}

void expect_columns(const TableColumns& columns) {
  const Json all = table_fields(TableRow{});
  std::string names;
  for (const auto& [key, value] : all.items()) names += (names.empty() ? "" : ", ") + key;
  for (const auto& column : columns)
    if (!all.contains(column))
      throw InputError(fmt::format("--columns: there is no column '{}'; there are {}", column, names));
}

std::string to_table_json(const std::vector<TableRow>& rows, const TableColumns& columns) {
  std::string out = "[";
  const char* separator = "\n";
  for (const auto& row : rows) {
    out += separator + fields(row, columns).dump(-1, ' ', false, Json::error_handler_t::replace);
    separator = ",\n";
  }
  return out + (rows.empty() ? "]\n" : "\n]\n");
}

std::string to_csv(const std::vector<TableRow>& rows, const TableColumns& columns) {
  const Json header = fields(TableRow{}, columns);
  std::string out;
  for (const auto& [key, value] : header.items()) out += out.empty() ? key : "," + key;
  for (const auto& row : rows) {
    out += "\r\n";
    const char* separator = "";
    const Json values = fields(row, columns);
    for (const auto& [key, value] : values.items()) {
      out += separator;
      out += csv_cell(value);
      separator = ",";
    }
  }
  return out + "\r\n";
}

}  // namespace assay
