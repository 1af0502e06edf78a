// Whether a JSON value satisfies a JSON Schema (draft 7): valijson's verdict, alone in a file because it compiles
// slowly.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace assay {

/// Empty where the value satisfies the schema, else valijson's own words.
std::string schema_error(const nlohmann::json& schema, const nlohmann::json& value);

}  // namespace assay
