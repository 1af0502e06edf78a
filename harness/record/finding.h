// What the rules of findings.cpp and findings_gpu.cpp are made of.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace assay {

/// `concerns`: "build", "cpu", "gpu".
inline nlohmann::ordered_json finding(const char* severity, const char* concerns, std::string what, std::string meaning,
                                      std::string action) {
  return {{"severity", severity},
          {"concerns", concerns},
          {"what", std::move(what)},
          {"meaning", std::move(meaning)},
          {"action", std::move(action)}};
}

/// The value under /outer/inner, null where there is none.
inline nlohmann::ordered_json look(const nlohmann::ordered_json& p, const char* outer, const char* inner) {
  const auto found = p.find(outer);
  if (found == p.end() || !found->is_object() || !found->contains(inner)) return nullptr;
  return (*found)[inner];
}

/// Findings about GPUs: their number first.
nlohmann::ordered_json gpu_findings(const nlohmann::ordered_json& provenance, std::optional<int> expected_gpus);

}  // namespace assay
