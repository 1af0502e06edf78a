// Telemetry as a record stores it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/measure/telemetry.h"

namespace assay {

/// Readings are stored as columns, those that no reading fills left out; what is not known is left out, too.
nlohmann::ordered_json to_json(const std::vector<Telemetry>&);
/// InputError naming `source` and the place.
std::vector<Telemetry> telemetry_from_json(const nlohmann::ordered_json&, const std::string& source,
                                           const std::string& place);

}  // namespace assay
