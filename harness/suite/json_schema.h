// JSON text -> value that satisfies a schema, or one clear error.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace assay {

/// Parses and validates.  InputError "SOURCE:LINE:COLUMN: ..." for text that is not JSON (duplicate keys included), and
/// "SOURCE: /json/pointer: ..., expected ..." for JSON that breaks the schema (an embedded file under schemas/).
nlohmann::ordered_json parse_json(std::string_view text, const std::string& source, std::string_view schema);

}  // namespace assay
