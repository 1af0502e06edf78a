#include "harness/suite/published.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "harness/core/error.h"
#include "harness/suite/accelerators.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"

namespace assay {
namespace {

std::vector<PublishedRate> parse_published(std::string_view path) {
  const std::string source = fmt::format("configs/{}", path);
  const auto text = embedded_file(path);
  if (!text) throw std::logic_error(source + " is not built in");
  std::vector<PublishedRate> out;
  const auto json = parse_json(*text, source, "published.schema.json");
  for (const auto& figure : json["figures"]) {
    PublishedRate rate;
    rate.accelerator = figure["accelerator"];
    parse_dtype(figure["dtype"].get<std::string>(), rate.dtype);  // the schema lists them
    rate.flops_per_second = figure["flops_per_second"];
    rate.shape = figure.value("shape", std::string());
    rate.source = fmt::format("{}, {}", figure["source"].get<std::string>(), figure["date"].get<std::string>());
    rate.conditions = figure["conditions"];
    const auto& known = accelerators();
    if (std::none_of(known.begin(), known.end(), [&](const Accelerator& a) { return a.name == rate.accelerator; }))
      throw InputError(fmt::format("{}: no accelerator is called \"{}\"", source, rate.accelerator));
    out.push_back(std::move(rate));
  }
  return out;
}

}  // namespace

const std::vector<PublishedRate>& published_matmul_rates() {
  static const std::vector<PublishedRate> rates = parse_published("published/mamf.json");
  return rates;
}

const std::vector<PublishedRate>& published_rates() {
  static const std::vector<PublishedRate> rates = [] {
    std::vector<PublishedRate> all;
    for (const auto& file : embedded_files()) {
      if (!file.path.starts_with("published/")) continue;
      const auto some = parse_published(file.path);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }();
  return rates;
}

}  // namespace assay
