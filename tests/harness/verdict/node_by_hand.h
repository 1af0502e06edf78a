// A node of H200s and what is expected of it, made by hand.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "harness/verdict/verdict.h"
#include "tests/harness/verdict/telemetry_by_hand.h"

namespace assay {

inline constexpr double kGemmRate = 780e12, kCopyRate = 3.5e12, kBusRate = 475e9;

/// 2026-01-31T18:00:00Z, hours after the records that sample_records.h makes.
inline CheckOptions soon_after() {
  CheckOptions options;
  options.now = std::chrono::system_clock::from_time_t(1769882400);
  options.max_age = std::chrono::hours(24 * 7);
  return options;
}

/// A record of that rate: its work follows from the rate and a launch of a millisecond.
inline Record gpu_case(const std::string& workload, int gpu, double rate) {
  Record record = ok_record(8192, workload == "gemm" ? "cublaslt_tuned" : workload);
  record.point.workload = workload;
  record.point.device = Device::gpu;
  record.point.device_index = gpu;
  record.point.mode = Mode::sustained;
  record.work = {workload == "gemm" ? rate * 1e-3 : 0, rate * 1e-3 / (workload == "gemm" ? 1000 : 1), "by hand",
                 workload == "all_reduce" ? 1.0 : 0.0};
  record.telemetry = {telemetry_at("gpu" + std::to_string(gpu), 1755, 60)};
  return record;
}

inline Result h200_node(int gpus, int listed = -1) {
  Result result = sample_result({});
  result.seal = Seal::intact;
  result.suite = "acceptance";
  result.provenance["system"]["nvidia_gpus_on_bus"] = gpus;
  for (int gpu = 0; gpu < (listed < 0 ? gpus : listed); ++gpu) {
    result.provenance["gpus"].push_back({{"index", gpu}, {"name", "NVIDIA H200"}, {"power_default_watts", 700.0}});
    result.records.push_back(gpu_case("gemm", gpu, kGemmRate));
    result.records.push_back(gpu_case("peak", gpu, kCopyRate));
  }
  result.records.push_back(gpu_case("all_reduce", 0, kBusRate));
  return result;
}

/// One line of an expectations file.
inline std::string entry(const std::string& name, const std::string& kind, const std::string& pattern,
                         const std::string& unit, double value, double tolerance, const std::string& more = "") {
  return nlohmann::json{{"name", name},
                        {"kind", kind},
                        {"case", pattern},
                        {"of", "best"},
                        {"unit", unit},
                        {"value", value},
                        {"tolerance", tolerance},
                        {"source", "by hand"},
                        {"date", "2026"},
                        {"conditions",
                         {{"data", "normal"},
                          {"cache", "not stated"},
                          {"mode", "sustained"},
                          {"clock_mhz", 1755},
                          {"power_cap_watts", "not stated"}}}}
      .dump()
      .insert(1, more.empty() ? "\"per\":\"gpu\"," : more + ",");
}

inline std::string h200_text(const std::vector<std::string>& entries) {
  std::string text =
      R"({"schema": "assay-expectation/1", "name": "by hand", "description": "for a test", "suite": "acceptance",
    "machine": {"accelerator": "h200"},
    "link_bytes_per_second": {"value": 450e9, "source": "by hand", "date": "2026"}, "expectations": [)";
  for (std::size_t i = 0; i < entries.size(); ++i) text += (i == 0 ? "" : ", ") + entries[i];
  return text + "]}";
}

inline std::vector<std::string> h200_entries() {
  return {entry("gemm", "floor", "gemm/*/gpu*/bf16/*", "FLOP/s", 790e12, 0.1),
          entry("memory", "floor", "peak/*/gpu*/bf16/*", "B/s", 3.5e12, 0.1),
          entry("bus", "floor", "all_reduce/*/gpu*/bf16/*", "bus B/s", 473e9, 0.1, R"("per":"node","gpus":8)"),
          entry("spread", "spread", "gemm/*/gpu*/bf16/*", "FLOP/s", 1, 0.05)};
}

inline Expectations h200_expectations() { return parse_expectations(h200_text(h200_entries()), "by-hand.json"); }

inline Verdict verdict_on(const Result& result, const CheckOptions& options = soon_after()) {
  const Expectations expectations = h200_expectations();
  Verdict verdict{judge(result, "r.json", &expectations, options)};
  verdict.sort_worst_first();
  return verdict;
}

/// All that is said, for a test to search.
inline std::string all_text(const Verdict& verdict) {
  std::string out;
  for (const auto& j : verdict.judgements) out += std::string(name(j.standing)) + " " + j.id + ": " + j.text + "\n";
  return out;
}

/// The record of that workload on that GPU.
inline Record& on(Result& result, const std::string& workload, int gpu) {
  return *std::find_if(result.records.begin(), result.records.end(),
                       [&](const Record& r) { return r.point.workload == workload && r.point.device_index == gpu; });
}

}  // namespace assay
