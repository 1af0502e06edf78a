#include "harness/record/device_model.h"

namespace assay {

using Json = nlohmann::ordered_json;

std::string device_model(const Case& point, const Json& provenance) {
  if (point.device == Device::cpu) {
    const auto cpu = provenance.find("cpu");
    if (cpu == provenance.end() || !cpu->is_object()) return {};
    const Json model = cpu->value("model", Json());
    return model.is_string() ? model.get<std::string>() : std::string();
  }
  for (const auto& gpu : provenance.value("gpus", Json::array()))
    if (gpu.is_object() && gpu.value("index", Json()) == point.device_index && gpu.value("name", Json()).is_string())
      return gpu["name"].get<std::string>();
  return {};
}

}  // namespace assay
