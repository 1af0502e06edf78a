// JSON text -> value, refusing what JSON leaves undefined (a key given twice) and what would exhaust the stack.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace assay {

inline constexpr std::size_t kMaxJsonDepth = 64;  // ours are under 10 deep

/// InputError "SOURCE:LINE:COLUMN: ...".
nlohmann::ordered_json read_json(std::string_view text, const std::string& source);

/// A value as the file shows it, shortened.
std::string show(const nlohmann::ordered_json&);

}  // namespace assay
