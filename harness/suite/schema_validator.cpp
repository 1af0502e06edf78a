#include "harness/suite/schema_validator.h"

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

namespace assay {

std::string schema_error(const nlohmann::json& schema, const nlohmann::json& value) {
  valijson::Schema compiled;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), compiled);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(compiled, valijson::adapters::NlohmannJsonAdapter(value), &results)) return {};
  valijson::ValidationResults::Error error;
  std::string place, description = "does not satisfy the schema";
  if (results.popError(error)) {  // the innermost comes first
    for (const auto& step : error.context) place += step;
    description = error.description;
  }
  return place + ": " + description;
}

}  // namespace assay
