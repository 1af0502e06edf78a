#include "harness/record/stragglers.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "harness/record/json_fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kCauses = {"compute", "memory", "node_link", "pair_link", "arrival"};

bool parse(std::string_view text, StragglerCause& cause) {
  for (std::size_t i = 0; i < kCauses.size(); ++i)
    if (text == kCauses[i]) return cause = StragglerCause(i), true;
  return false;
}

Json or_null(const std::optional<double>& value) { return value ? finite_or_null(*value) : Json(nullptr); }

std::optional<double> optional_number(const JsonFields& in, const char* key) {
  if (in.at(key).is_null()) return std::nullopt;
  return in.number(key);
}

Json name_json(const StragglerMember& who) { return {{"rank", who.rank}, {"host", who.host}, {"device", who.device}}; }

StragglerMember name_from(const JsonFields& in) {
  StragglerMember who;
  who.rank = int(in.count("rank"));
  who.host = in.text("host");
  who.device = in.text("device");
  return who;
}

Json member_json(const StragglerMember& who) {
  Json json = name_json(who);
  json["compute_seconds"] = or_null(who.compute_seconds);
  json["memory_seconds"] = or_null(who.memory_seconds);
  json["wait_seconds"] = or_null(who.wait_seconds);
  json["late_seconds"] = or_null(who.late_seconds);
  json["last"] = who.last;
  return json;
}

StragglerMember member_from(const JsonFields& in) {
  StragglerMember who = name_from(in);
  who.compute_seconds = optional_number(in, "compute_seconds");
  who.memory_seconds = optional_number(in, "memory_seconds");
  who.wait_seconds = optional_number(in, "wait_seconds");
  who.late_seconds = optional_number(in, "late_seconds");
  who.last = int(in.count("last"));
  return who;
}

Straggler straggler_from(const JsonFields& in) {
  Straggler one;
  one.cause = in.word<StragglerCause>("cause", parse);
  one.who = name_from(in);
  if (!in.at("partner").is_null()) one.partner = name_from(in.object("partner"));
  one.slowdown = in.number("slowdown");
  for (const Json& text : in.at("evidence")) one.evidence.push_back(text.get<std::string>());
  one.verdict = in.text("verdict");
  return one;
}

/// `read` for each element of an array, with its place.
template <class Read>
void each(const Json& json, const char* key, const std::string& source, const std::string& place, const Read& read) {
  for (std::size_t i = 0; i < json.at(key).size(); ++i)
    read(JsonFields(json.at(key)[i], source, fmt::format("{}/{}/{}", place, key, i)));
}

}  // namespace

const char* name(StragglerCause cause) { return kCauses[std::size_t(cause)]; }

std::string describe(const StragglerMember& who) {
  return fmt::format("rank {} ({}, {})", who.rank, who.host, who.device);
}

Json to_json(const StragglerReport& report) {
  Json members = Json::array(), pairs = Json::array(), found = Json::array();
  for (const auto& who : report.members) members.push_back(member_json(who));
  for (const auto& pair : report.pairs)
    pairs.push_back({{"ranks", {pair.a, pair.b}}, {"seconds", finite_or_null(pair.seconds)}});
  for (const auto& one : report.found) {
    Json json = name_json(one.who);
    json["cause"] = name(one.cause);
    json["partner"] = one.partner ? name_json(*one.partner) : Json(nullptr);
    json["slowdown"] = one.slowdown;
    json["evidence"] = one.evidence;
    json["verdict"] = one.verdict;
    found.push_back(std::move(json));
  }
  const char* outcome = !report.reason.empty() ? "not_measured" : report.found.empty() ? "none" : "found";
  return {{"outcome", outcome}, {"reason", report.reason}, {"operations", report.operations}, {"passes", report.passes},
          {"members", members}, {"pairs", pairs},          {"found", std::move(found)},       {"notes", report.notes}};
}

StragglerReport stragglers_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  StragglerReport report;
  report.reason = in.text("reason");
  report.operations = int(in.count("operations"));
  report.passes = int(in.count("passes"));
  each(json, "members", source, place, [&](const JsonFields& one) { report.members.push_back(member_from(one)); });
  each(json, "pairs", source, place, [&](const JsonFields& one) {
    const Json& ranks = one.at("ranks");
    report.pairs.push_back({ranks.at(0).get<int>(), ranks.at(1).get<int>(), one.number("seconds")});
  });
  each(json, "found", source, place, [&](const JsonFields& one) { report.found.push_back(straggler_from(one)); });
  for (const Json& text : in.at("notes")) report.notes.push_back(text.get<std::string>());
  const char* outcome = !report.reason.empty() ? "not_measured" : report.found.empty() ? "none" : "found";
  if (in.text("outcome") != outcome)
    in.fail("outcome", fmt::format("is \"{}\", expected \"{}\" beside the rest", in.text("outcome"), outcome));
  return report;
}

}  // namespace assay
