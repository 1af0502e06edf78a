#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/publish/table/row_extras.h"
#include "harness/suite/accelerators.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

constexpr std::string_view kSource = ",source=", kDate = ",date=";

/// A year, a month or a day.
bool is_date(const std::string& text) {
  constexpr std::string_view kForm = "0000-00-00";
  if (text.size() != 4 && text.size() != 7 && text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (kForm[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != '-') return false;
  const auto part = [&](std::size_t at) { return text.size() > at ? std::stoi(text.substr(at, 2)) : 1; };
  return part(5) >= 1 && part(5) <= 12 && part(8) >= 1 && part(8) <= 31;
}

/// What follows `key`, up to the other key: a source may have commas.
std::string part(const std::string& text, std::string_view key, std::string_view other) {
  const std::size_t at = text.find(key);
  if (at == std::string::npos) return {};
  const std::size_t from = at + key.size(), end = text.find(other, from);
  return text.substr(from, end == std::string::npos ? end : end - from);
}

bool is_of(const Price& price, const TableRow& row) {
  if (price.accelerator == "cpu") return row.device == "cpu";
  const Accelerator* known = find_accelerator(row.accelerator);
  if (known && row.device != "cpu") return known->name == price.accelerator;
  return row.origin != "measured" && row.accelerator == accelerator_named(price.accelerator).full_name;
}

}  // namespace

Price parse_price(const std::string& text) {
  const auto fail = [&](const std::string& what) -> Price {
    throw InputError(fmt::format("--price {}: {}, as in h200=3.50,source=the provider's price list,date=2026-01",
                                 printable(text), what));
  };
  // It stands in one line of a table's notes, in LaTeX behind a '%'.
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }))
    return fail("expected no line breaks or control characters");
  Price price;
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return fail("expected ACCELERATOR=DOLLARS an hour");
  price.accelerator = text.substr(0, equals);
  if (price.accelerator != "cpu") accelerator_named(price.accelerator);
  char* end = nullptr;
  price.dollars_per_hour = std::strtod(text.c_str() + equals + 1, &end);
  if (end == text.c_str() + equals + 1 || (*end && *end != ',') ||
      !(price.dollars_per_hour > 0 && price.dollars_per_hour < 1e6))
    return fail("expected dollars an hour above 0");
  price.source = part(text, kSource, kDate);
  price.date = part(text, kDate, kSource);
  if (price.source.empty()) return fail("a price has a source");
  if (price.date.empty()) return fail("a price has a date");
  if (!is_date(price.date)) return fail("expected a date as 2026, 2026-01 or 2026-01-31");
  return price;
}

void add_prices(const std::vector<Price>& prices, std::vector<TableRow>& rows) {
  constexpr double kSecondsPerHour = 3600, kFlopsPerPflop = 1e15;
  for (auto& row : rows)
    for (const auto& price : prices) {
      if (!is_of(price, row)) continue;
      row.dollars_per_device_hour = price.dollars_per_hour;
      row.price_source = price.source + ", " + price.date;
      const double seconds_per_dollar = kSecondsPerHour / price.dollars_per_hour;
      if (row.flops_per_second) row.pflop_per_dollar = *row.flops_per_second / kFlopsPerPflop * seconds_per_dollar;
      if (row.tokens && row.seconds) row.tokens_per_dollar = *row.tokens / *row.seconds * seconds_per_dollar;
    }
}

std::vector<std::string> price_notes(const std::vector<Price>& prices, const std::vector<TableRow>& rows) {
  std::vector<std::string> out;
  for (const auto& price : prices) {
    const bool used = std::any_of(rows.begin(), rows.end(), [&](const TableRow& row) { return is_of(price, row); });
    out.push_back(fmt::format("Price of {}: {:.4g} $ per device and hour ({}, {}){}.", price.accelerator,
                              price.dollars_per_hour, price.source, price.date, used ? "" : "; no row is of it"));
  }
  return out;
}

}  // namespace assay
