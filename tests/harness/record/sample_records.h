// Records and results as a run would leave them, made by hand.
#pragma once
#include "harness/record/result.h"

namespace assay {

inline Case sample_case(std::int64_t m = 64, const std::string& kernel = "cpu_blocked") {
  Case point;
  point.workload = "gemm";
  point.kernel = kernel;
  point.dtype = DType::bf16;
  point.axes = {{"layout", std::string("tn")}, {"m", m}, {"n", std::int64_t(128)}, {"k", std::int64_t(256)}};
  point.seed = 0xffffffffffffffffu;
  point.labels = {"llama3-8b/qkv/forward"};
  return point;
}

inline Check sample_check(double error_over_allowed = 0.25) {
  Check check;
  check.error_over_allowed = error_over_allowed;
  check.elements = 100;
  check.wrong = error_over_allowed <= 1 ? 0 : 3;
  check.where = "d[1, 2]";
  check.expected = 0.1 + 0.2;
  check.got = 0.3;
  check.allowed = 1e-300;
  check.digest = "0123456789abcdef";
  return check;
}

/// `seconds` is about the median.
inline Record ok_record(std::int64_t m = 64, const std::string& kernel = "cpu_blocked", double seconds = 1e-3) {
  Record record;
  record.point = sample_case(m, kernel);
  record.outcome = {OutcomeKind::ok, ""};
  record.work = {2e9, 3e6, "2 m n k", 0};
  for (int i = 0; i < 20; ++i) record.measurement.seconds.push_back(seconds * (1 + 0.001 * (i % 5 - 2)) / 3 * 3);
  record.measurement.batch = 2;
  record.measurement.warmup_launches = 17;
  record.measurement.warmup_seconds = 0.1;
  record.measurement.wall_seconds = 1.0 / 3;
  record.measurement.floor_seconds = 1e-7;
  record.measurement.stop = StopReason::interval;
  record.measurement.in_turns = 3;
  record.check = sample_check();
  record.description = "tile 64 x 64";
  record.started_utc = "2026-01-31T12:34:56Z";
  return record;
}

inline Record wrong_record(std::int64_t m = 64, const std::string& kernel = "cpu_blocked") {
  Record record = ok_record(m, kernel);
  record.check = sample_check(7);
  record.outcome = {OutcomeKind::wrong, record.check->describe()};
  return record;
}

inline Record reason_record(OutcomeKind kind, const std::string& reason, std::int64_t m = 64,
                            const std::string& kernel = "cpu_blocked") {
  Record record = ok_record(m, kernel);
  record.measurement = {};
  record.check.reset();
  record.outcome = {kind, reason};
  return record;
}

inline nlohmann::ordered_json sample_provenance() {
  return {{"build", {{"version", "0.1.0"}, {"type", "Release"}}},
          {"libraries", nlohmann::ordered_json::object()},
          {"cpu", {{"model", "A CPU"}, {"threads", 2}, {"allowed_threads", 2}}},
          {"gpus", nlohmann::ordered_json::array()},
          {"gpu_reason", "none here"},
          {"system", {{"hostname", "host"}}},
          {"environment", nlohmann::ordered_json::object()},
          {"command", {"assay", "run"}},
          {"started_utc", "2026-01-31T12:34:56Z"},
          {"findings", nlohmann::ordered_json::array()}};
}

inline Result sample_result(std::vector<Record> records) {
  Result result;
  result.provenance = sample_provenance();
  result.suite = "quick";
  result.complete = true;
  result.records = std::move(records);
  return result;
}

}  // namespace assay
