#include "harness/suite/json_schema.h"

#include <fmt/format.h>

#include <stdexcept>

#include "harness/core/error.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_reader.h"
#include "harness/suite/schema_breach.h"
#include "harness/suite/schema_validator.h"

namespace assay {

using nlohmann::ordered_json;

ordered_json parse_json(std::string_view text, const std::string& source, std::string_view schema) {
  const std::string path = fmt::format("schemas/{}", schema);
  const auto embedded = embedded_file(path);
  if (!embedded) throw std::logic_error(path + " is not built in");
  const ordered_json rules = read_json(*embedded, "configs/" + path);
  ordered_json value = read_json(text, source);
  const std::string error = schema_error(rules, value);
  if (error.empty()) return value;
  const auto breach = find_breach(rules, value);
  if (!breach) throw InputError(fmt::format("{}: {}", source, error));
  const std::string place = breach->pointer.empty() ? "the document" : breach->pointer;
  throw InputError(fmt::format("{}: {}: {}", source, place, breach->message));
}

}  // namespace assay
