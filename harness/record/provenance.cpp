#include "harness/record/provenance.h"

#include <unistd.h>

#include <chrono>
#include <ctime>

namespace assay {

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

nlohmann::ordered_json collect_provenance(const std::vector<std::string>& command, std::optional<int> expected_gpus) {
  std::string gpu_reason;
  nlohmann::ordered_json out;
  out["build"] = build_provenance();
  out["libraries"] = library_provenance();
  out["cpu"] = cpu_provenance();
  out["gpus"] = gpu_provenance(gpu_reason);
  out["gpu_reason"] = gpu_reason;
  out["nvml"] = nvml_provenance();
  out["system"] = system_provenance();
  out["environment"] = environment_provenance(::environ);
  out["command"] = command;
  out["started_utc"] = utc_now();
  out["findings"] = findings(out, expected_gpus);
  return out;
}

}  // namespace assay
