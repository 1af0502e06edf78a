#include "harness/publish/report/findings.h"

#include <cmath>

#include "harness/publish/overlap.h"
#include "harness/publish/train_step.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json finite(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json losses_json(const std::vector<double>& losses) {
  Json out = Json::array();
  for (const double loss : losses) out.push_back(finite(loss));
  return out;
}

/// {"steps", "losses", "cpu_losses"}, the last empty where no CPU trained beside; null where no curve was kept.
Json curve_json(const std::optional<LossCurve>& curve) {
  if (!curve) return nullptr;
  return {
      {"steps", curve->steps}, {"losses", losses_json(curve->losses)}, {"cpu_losses", losses_json(curve->cpu_losses)}};
}

Json step_json(const TrainStepSummary& step, std::size_t result) {
  Json utilisations = Json::array(), parts = Json::array();
  for (const auto& [convention, share] : step.utilisations)
    utilisations.push_back({{"convention", convention}, {"of_peak", finite(share)}});
  for (const auto& [kernels, seconds] : step.parts) parts.push_back({{"kernels", kernels}, {"seconds", seconds}});
  return {{"result", result},
          {"id", step.id},
          {"seconds", step.seconds},
          {"tokens_per_second", finite(step.tokens_per_second)},
          {"flops_per_second", step.flops_per_second},
          {"peak_flops_per_second", finite(step.peak_flops_per_second)},
          {"peak_kernel", step.peak_kernel},
          {"units", step.units},
          {"utilisations", utilisations},
          {"tokens_per_joule", finite(step.tokens_per_joule)},
          {"parts", parts},
          {"projected_seconds", finite(step.projected_seconds)},
          {"beside_seconds", finite(step.beside_seconds)},
          {"bytes", step.bytes},
          {"activation_bytes", finite(step.activation_bytes)},
          {"first_loss", finite(step.first_loss)},
          {"last_loss", finite(step.last_loss)},
          {"steps", finite(step.steps)},
          {"required_loss", finite(step.required_loss)},
          {"least_loss", finite(step.least_loss)},
          {"curve", curve_json(step.losses)}};
}

Json overlap_json(const Overlap& one, std::size_t result) {
  return {{"result", result},
          {"point", one.point},
          {"gemm", one.gemm},
          {"all_reduce", one.all_reduce},
          {"both", one.both},
          {"efficiency", finite(one.efficiency())},
          {"efficiency_low", finite(one.efficiency_low)},
          {"efficiency_high", finite(one.efficiency_high)}};
}

Json selftest_json(const Record& record, std::size_t result) {
  Json compared = Json::array();
  for (const auto& [how, alarms] : {std::pair("in turns", &false_alarms_in_turns), {"apart", &false_alarms_apart}}) {
    Json shares = Json::array();
    for (const double percent : {1, 2, 5}) shares.push_back(alarms(*record.selftest, percent));
    compared.push_back(
        {{"how", how}, {"alarms", shares}, {"resolves", finite(resolved_percent(*record.selftest, alarms))}});
  }
  return {{"result", result},
          {"id", record.point.id()},
          {"spread", finite(spread(*record.selftest))},
          {"compared", compared}};
}

}  // namespace

Json report_findings(const std::vector<ReportedResult>& results) {
  Json out = {{"stragglers", Json::array()},
              {"train_steps", Json::array()},
              {"overlaps", Json::array()},
              {"selftests", Json::array()}};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& result = results[i].result;
    if (result.stragglers) {
      out["stragglers"].push_back(to_json(*result.stragglers));
      out["stragglers"].back()["result"] = i;
    }
    for (const auto& step : train_steps(result)) out["train_steps"].push_back(step_json(step, i));
    for (const auto& one : overlaps(table_rows({result}))) out["overlaps"].push_back(overlap_json(one, i));
    for (const auto& record : result.records)
      if (record.selftest) out["selftests"].push_back(selftest_json(record, i));
  }
  return out;
}

}  // namespace assay
