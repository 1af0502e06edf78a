// What a case ran on, as the driver or the CPU names itself.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "harness/core/case.h"

namespace assay {
/// "NVIDIA H200", "AMD EPYC"; empty where the provenance does not say.
std::string device_model(const Case&, const nlohmann::ordered_json& provenance);
}  // namespace assay
