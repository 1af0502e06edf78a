#include "harness/record/loss_curve_json.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "harness/record/json_fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json losses_to_json(const std::vector<double>& losses) {
  Json out = Json::array();
  for (const double loss : losses) out.push_back(finite_or_null(loss));
  return out;
}

std::vector<double> losses_from_json(const JsonFields& in, const char* key) {
  const Json& list = in.at(key);
  if (!list.is_array() || list.size() > kMostLossPoints)
    in.fail(key, fmt::format("expected a list of {} numbers at most", kMostLossPoints));
  std::vector<double> out;
  for (const Json& loss : list) {
    if (!loss.is_null() && !(loss.is_number() && std::isfinite(loss.get<double>())))
      in.fail(key, "expected finite numbers, or null where a loss was none");
    out.push_back(loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>());
  }
  return out;
}

}  // namespace

Json to_json(const LossCurve& curve) {
  Json out = {{"steps", curve.steps}, {"losses", losses_to_json(curve.losses)}};
  if (!curve.cpu_losses.empty()) out["cpu_losses"] = losses_to_json(curve.cpu_losses);
  return out;
}

LossCurve loss_curve_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  LossCurve out;
  out.losses = losses_from_json(in, "losses");
  if (in.has("cpu_losses")) out.cpu_losses = losses_from_json(in, "cpu_losses");
  for (const Json& step : in.at("steps")) {
    const std::int64_t before = out.steps.empty() ? 0 : out.steps.back();
    if (!step.is_number_integer() || !(step.get<std::int64_t>() > before))
      in.fail("steps", "expected whole numbers from 1, each above the one before");
    out.steps.push_back(step.get<std::int64_t>());
  }
  if (out.steps.empty() || out.steps.size() != out.losses.size())
    in.fail("steps", "expected one for each of \"losses\", of which there is one at least");
  return out;
}

}  // namespace assay
