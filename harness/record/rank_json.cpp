#include "harness/record/rank_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> times_of_rank(const Json& times, const JsonFields& in) {
  std::vector<double> out;
  for (const auto& time : times) {
    const double seconds = time.is_number() ? time.get<double>() : std::nan("");
    if (!(seconds > 0) || !std::isfinite(seconds)) in.fail("rank_seconds", "expected finite numbers above 0");
    out.push_back(seconds);
  }
  return out;
}

}  // namespace

void add_rank_times(const Measurement& m, Json& out) {
  if (m.first_seconds > 0 && std::isfinite(m.first_seconds)) out["first_seconds"] = m.first_seconds;
  if (m.rank_seconds.empty()) return;
  out["rank_seconds"] = m.rank_seconds;
  if (m.rank_stride != 1) out["rank_stride"] = m.rank_stride;
}

void read_rank_times(const JsonFields& in, Measurement& m) {
  if (in.has("first_seconds")) m.first_seconds = in.number("first_seconds");
  if (in.has("rank_stride"))
    m.rank_stride = int(std::min<std::int64_t>(in.count("rank_stride", 1), std::numeric_limits<int>::max()));
  if (!in.has("rank_seconds")) return;
  for (const auto& rank : in.at("rank_seconds")) m.rank_seconds.push_back(times_of_rank(rank, in));
  const auto stride = std::size_t(m.rank_stride);
  const std::size_t expected = (m.seconds.size() + stride - 1) / stride;
  for (const auto& rank : m.rank_seconds)
    if (rank.size() != expected) in.fail("rank_seconds", "expected one for each of the samples from every rank");
}

void add_ranks(const RankSummary& ranks, Json& out) {
  out["rank_mean_seconds"] = finite_or_null(ranks.mean_seconds);
  out["rank_skew_seconds"] = finite_or_null(ranks.skew_seconds);
  out["slowest_rank"] = ranks.slowest_rank;
  out["slowest_share"] = finite_or_null(ranks.slowest_share);
}

Json details_to_json(const std::vector<Detail>& details) {
  Json out = Json::object();
  for (const Detail& one : details) {
    Json& field = out[one.name] = Json::object();
    if (const auto* number = std::get_if<double>(&one.value))
      field["value"] = finite_or_null(*number);
    else if (const auto* word = std::get_if<std::string>(&one.value))
      field["value"] = *word;
    else
      field["value"] = nullptr;
    if (!one.why.empty()) field["why"] = one.why;
  }
  return out;
}

std::vector<Detail> details_from_json(const JsonFields& in, const Json& json) {
  std::vector<Detail> out;
  for (const auto& [name, field] : json.items()) {
    const JsonFields one = in.object(name.c_str());
    Detail detail{name, {}, one.has("why") ? one.text("why") : std::string()};
    const Json& value = one.at("value");
    if (value.is_number())
      detail.value = one.number("value");
    else if (value.is_string())
      detail.value = value.get<std::string>();
    else if (!value.is_null())
      one.fail("value", "expected a number, a word or null");
    out.push_back(std::move(detail));
  }
  return out;
}

}  // namespace assay
