// A record's loss curve, to JSON and back.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "harness/workloads/loss_curve.h"

namespace assay {

/// A loss that is no number is null.
nlohmann::ordered_json to_json(const LossCurve&);
/// InputError naming `source` and the place.
LossCurve loss_curve_from_json(const nlohmann::ordered_json&, const std::string& source, const std::string& place);

}  // namespace assay
