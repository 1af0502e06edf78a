// Google Benchmark's JSON, for its compare.py: there a sample is a repetition of one benchmark, the case.
#include "harness/record/result.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

/// A member of a nested object, or `otherwise`: provenance of another machine may lack it.
Json member(const Json& object, const char* outer, const char* inner, Json otherwise) {
  const auto found = object.find(outer);
  if (found == object.end() || !found->is_object()) return otherwise;
  const auto value = found->find(inner);
  return value == found->end() || value->is_null() ? otherwise : *value;
}

Json context(const Result& result) {
  std::string not_ok;
  for (const auto& record : result.records)
    if (!record.outcome.ok())
      not_ok += (not_ok.empty() ? "" : "; ") + record.point.id() + ": " + name(record.outcome.kind);
  const auto started = result.provenance.find("started_utc");
  return {{"date", started == result.provenance.end() ? Json("") : *started},
          {"host_name", member(result.provenance, "system", "hostname", "")},
          {"executable", "assay"},
          {"num_cpus", member(result.provenance, "cpu", "threads", 0)},
          {"mhz_per_cpu", member(result.provenance, "cpu", "current_mhz", 0)},
          {"cpu_scaling_enabled", member(result.provenance, "cpu", "governor", "performance") != "performance"},
          {"caches", Json::array()},
          {"load_avg", member(result.provenance, "system", "load_average", Json::array())},
          {"library_build_type", "release"},
          {"assay_suite", result.suite},
          {"assay_not_ok", not_ok}};
}

Json row(const Record& record, const std::string& id, std::size_t sample) {
  constexpr double kNanosecondsPerSecond = 1e9;
  const double seconds = record.measurement.seconds[sample];
  Json out = {{"name", id},
              {"run_name", id},
              {"run_type", "iteration"},
              {"repetitions", record.measurement.seconds.size()},
              {"repetition_index", sample},
              {"threads", 1},
              {"iterations", record.measurement.batch},
              {"real_time", seconds * kNanosecondsPerSecond},
              {"cpu_time", seconds * kNanosecondsPerSecond},  // compare.py needs one; we time the device alone
              {"time_unit", "ns"}};
  if (record.work.flops > 0) out["flops_per_second"] = record.work.flops / seconds;
  if (record.work.bytes > 0) out["bytes_per_second"] = record.work.bytes / seconds;
  return out;
}

}  // namespace

std::string to_google_benchmark(const Result& result) {
  constexpr auto replace = Json::error_handler_t::replace;
  std::string text = "{\n \"context\": " + context(result).dump(-1, ' ', false, replace) + ",\n \"benchmarks\": [";
  const char* separator = "\n";
  for (const auto& record : result.records) {
    if (!rates(record)) continue;
    const std::string id = record.point.id();
    for (std::size_t i = 0; i < record.measurement.seconds.size(); ++i) {
      text += separator + row(record, id, i).dump(-1, ' ', false, replace);
      separator = ",\n";
    }
  }
  return text + "\n ]\n}\n";
}

}  // namespace assay
