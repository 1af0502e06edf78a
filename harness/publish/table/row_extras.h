// What a row says beyond its time: telemetry, energy, conditions, tokens, money.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/publish/table/table.h"

namespace assay {

/// Clock, power, what follows from them, and the datasheet's peak.  Expects the rates to be there.
void add_telemetry(const Record&, TableRow&);

/// Power cap, driver, data, threads: what may differ between rows without a column that shows it.
void add_conditions(const Record&, const Result&, TableRow&);

/// Tokens that pass through a model's layer in one run of its product, known from the label the suite gave it; or, of a
/// training step, through the whole model on one rank.
std::optional<double> tokens_of(const Case&);

/// What an hour of one device costs.
struct Price {
  std::string accelerator;  // of configs/accelerators; "cpu": the whole CPU
  double dollars_per_hour = 0;
  std::string source, date;
};
/// "h200=3.50,source=...,date=2026-01".  InputError where a part is missing.
Price parse_price(const std::string&);
/// PFLOP and tokens per dollar of the rows on those accelerators.
void add_prices(const std::vector<Price>&, std::vector<TableRow>&);
/// A sentence each; it says where no row is of the priced device.
std::vector<std::string> price_notes(const std::vector<Price>&, const std::vector<TableRow>&);

/// Letters of the conditions that a row has and another has not, and what each letter means.
struct Footnotes {
  std::vector<std::string> marks;  // one per row; "" where nothing differs
  std::vector<std::string> texts;  // "a: data zeros, power cap 500 W"
};
/// Cache and mode are conditions where `columns` are given that leave them out.
Footnotes footnotes(const std::vector<TableRow>&, const TableColumns& columns);

}  // namespace assay
