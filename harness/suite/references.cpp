#include "harness/suite/references.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "harness/core/error.h"
#include "harness/suite/accelerators.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"

namespace assay {
namespace {

Nvls nvls_of(const std::string& word) {
  if (word == "on") return Nvls::on;
  if (word == "off") return Nvls::off;
  return word == "unavailable" ? Nvls::unavailable : Nvls::unknown;  // the schema lists them
}

ReferenceSeries parse_series(const nlohmann::ordered_json& json, const std::string& source) {
  ReferenceSeries out;
  out.system = json["system"];
  out.accelerator = json["accelerator"];
  out.gpus = json["gpus"];
  out.nodes = json["nodes"];
  out.operation = json["operation"];
  out.nvls = nvls_of(json["nvls"]);
  for (const auto& point : json["points"]) out.points.push_back({point["bytes"], point["bus_bytes_per_second"]});
  out.label = json["label"];
  out.source = fmt::format("{}, {}", json["source"].get<std::string>(), json["date"].get<std::string>());
  out.conditions = json["conditions"];
  out.no_ceiling = json.value("no_ceiling", std::string());
  const auto& known = accelerators();
  if (std::none_of(known.begin(), known.end(), [&](const Accelerator& a) { return a.name == out.accelerator; }))
    throw InputError(fmt::format("{}: no accelerator is called \"{}\"", source, out.accelerator));
  const auto descends = [](const ReferencePoint& a, const ReferencePoint& b) { return !(a.bytes < b.bytes); };
  if (std::adjacent_find(out.points.begin(), out.points.end(), descends) != out.points.end())
    throw InputError(fmt::format("{}: the sizes of {} must ascend", source, out.system));
  return out;
}

/// Whether what is compared could be what the series measured.
bool same_kind(const ReferenceSeries& series, const ReferenceQuery& query) {
  if (series.accelerator != query.accelerator || series.operation != query.operation || series.gpus != query.gpus ||
      series.nodes != query.nodes)
    return false;
  return query.nvls == Nvls::off ? series.nvls != Nvls::on : series.nvls != Nvls::off;
}

/// In the logarithms of size and rate.
double rate_at(const std::vector<ReferencePoint>& points, double bytes) {
  if (bytes <= points.front().bytes) return points.front().bus_bytes_per_second;
  if (bytes >= points.back().bytes) return points.back().bus_bytes_per_second;
  const auto above = std::find_if(points.begin(), points.end(), [&](const auto& p) { return p.bytes >= bytes; });
  const auto below = above - 1;
  const double share = std::log(bytes / below->bytes) / std::log(above->bytes / below->bytes);
  return below->bus_bytes_per_second * std::pow(above->bus_bytes_per_second / below->bus_bytes_per_second, share);
}

/// Of the nearest size, as a logarithm.
double distance(const ReferenceSeries& series, double bytes) {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& point : series.points) least = std::min(least, std::abs(std::log(bytes / point.bytes)));
  return least;
}

}  // namespace

const std::vector<ReferenceSeries>& collective_references() {
  static const std::vector<ReferenceSeries> all = [] {
    const std::string path = "references/collectives.json", source = "configs/" + path;
    const auto text = embedded_file(path);
    if (!text) throw std::logic_error(source + " is not built in");
    std::vector<ReferenceSeries> parsed;
    const auto json = parse_json(*text, source, "references.schema.json");
    for (const auto& series : json["series"]) parsed.push_back(parse_series(series, source));
    return parsed;
  }();
  return all;
}

std::optional<Reference> nearest_reference(const ReferenceQuery& query, const std::vector<ReferenceSeries>& all) {
  const ReferenceSeries* nearest = nullptr;
  for (const auto& series : all) {
    if (!same_kind(series, query) || !(query.bytes >= series.points.front().bytes / kReferenceReach) ||
        !(query.bytes <= series.points.back().bytes * kReferenceReach))
      continue;
    if (!nearest || distance(series, query.bytes) < distance(*nearest, query.bytes)) nearest = &series;
  }
  if (!nearest) return std::nullopt;
  return Reference{rate_at(nearest->points, query.bytes), nearest};
}

}  // namespace assay
