// Where and how a value breaks a JSON Schema, in words that say what would be right.  The library that judges
// (schema_validator.h) names a constraint; a user needs the allowed keys, words and bounds.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace assay {

struct Breach {
  std::string pointer;  // "/cases/3/cache"
  std::string message;  // "is \"warm\", expected one of cold, hot"
};

/// The first breach in document order, of the keywords our schemas use: $ref, type, const, enum, anyOf, required,
/// properties, additionalProperties, items, minItems, maxItems, uniqueItems, minProperties, minLength, minimum,
/// maximum, exclusiveMinimum, exclusiveMaximum.
std::optional<Breach> find_breach(const nlohmann::ordered_json& schema, const nlohmann::ordered_json& value);

}  // namespace assay
