#include "harness/record/soak.h"

#include <bit>

#include <fmt/format.h>

#include "harness/record/json_fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

/// All digits: 64 bits are more than a JSON number holds everywhere.
std::string hex(std::uint64_t bits, int width) { return fmt::format("{:0{}x}", bits, width / 4); }

std::uint64_t bits_from_hex(const JsonFields& in, const char* key) {
  const std::string text = in.text(key);
  std::size_t read = 0;
  constexpr int kHexadecimal = 16;
  if (text.empty() || text.find_first_not_of("0123456789abcdef") != std::string::npos || text.size() > 16)
    in.fail(key, "expected up to 16 hexadecimal digits");
  return std::stoull(text, &read, kHexadecimal);
}

Json to_json(const Corruption& c) {
  return {{"device", c.device},
          {"tensor", c.tensor},
          {"place", c.place},
          {"element", c.element},
          {"expected_bits", hex(c.expected, c.bits)},
          {"got_bits", hex(c.got, c.bits)},
          {"flipped_bits", hex(c.expected ^ c.got, c.bits)},
          {"element_bits", c.bits},
          {"differing_elements", c.differing},
          {"repetition", c.repetition},
          {"set", c.set},
          {"at_seconds", finite_or_null(c.at_seconds)},
          {"at_utc", c.at_utc}};
}

Corruption corruption_from_json(const JsonFields& in) {
  Corruption c;
  c.device = in.text("device");
  c.tensor = in.text("tensor");
  c.place = in.text("place");
  c.element = in.count("element");
  c.expected = bits_from_hex(in, "expected_bits");
  c.got = bits_from_hex(in, "got_bits");
  c.bits = int(in.count("element_bits", 8));
  if (c.bits > 64) in.fail("element_bits", "expected at most 64");
  c.differing = in.count("differing_elements");
  c.repetition = in.count("repetition");
  c.set = int(in.count("set"));
  c.at_seconds = in.number_or("at_seconds", 0);
  c.at_utc = in.text("at_utc");
  if (bits_from_hex(in, "flipped_bits") != (c.expected ^ c.got))
    in.fail("flipped_bits", "contradicts the bits beside it");
  return c;
}

Json to_json(const std::vector<SoakInterval>& intervals) {
  Json start = Json::array(), launches = Json::array(), slowest = Json::array();
  for (const auto& one : intervals) {
    start.push_back(one.start_seconds);
    launches.push_back(one.launches);
    slowest.push_back(one.slowest_seconds);
  }
  return {{"start_seconds", start}, {"launches", launches}, {"slowest_seconds", slowest}};
}

// Of an interval: one each microsecond for 30 years.  Whoever joins intervals adds them up.
constexpr std::int64_t kMostLaunches = 1'000'000'000'000'000;

/// The samples say how long a launch took.
std::vector<SoakInterval> intervals_from_json(const JsonFields& in, const Measurement& samples) {
  std::vector<SoakInterval> out(samples.seconds.size());
  for (const char* key : {"start_seconds", "launches", "slowest_seconds"})
    if (!in.at(key).is_array() || in.at(key).size() != out.size()) in.fail(key, "expected one for each of the samples");
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Json &start = in.at("start_seconds")[i], &launches = in.at("launches")[i],
               &slowest = in.at("slowest_seconds")[i];
    if (!start.is_number() || !(start.get<double>() >= 0)) in.fail("start_seconds", "expected numbers of at least 0");
    if (!launches.is_number_integer() || launches.get<std::int64_t>() < 1 || launches > kMostLaunches)
      in.fail("launches", fmt::format("expected integers from 1 to {}", kMostLaunches));
    if (!slowest.is_number() || !(slowest.get<double>() > 0)) in.fail("slowest_seconds", "expected numbers above 0");
    out[i] = {start.get<double>(), samples.seconds[i] * launches.get<double>(), launches.get<std::int64_t>(),
              slowest.get<double>(), samples.placement.empty() ? Placement::none : samples.placement[i]};
  }
  return out;
}

Json to_json(const Throttle& t) {
  return {{"baseline_seconds", t.baseline_seconds},
          {"at_seconds", t.at_seconds ? finite_or_null(*t.at_seconds) : Json(nullptr)},
          {"lasted_seconds", finite_or_null(t.lasted_seconds)}};
}

Throttle throttle_from_json(const JsonFields& in) {
  Throttle out{in.number("baseline_seconds"), std::nullopt, in.number("lasted_seconds")};
  if (!(out.baseline_seconds > 0)) in.fail("baseline_seconds", "expected a number above 0");
  if (!in.at("at_seconds").is_null()) out.at_seconds = in.number("at_seconds");
  return out;
}

}  // namespace

std::string Corruption::describe() const {
  const std::uint64_t flipped = expected ^ got;
  const std::string which = std::has_single_bit(flipped) ? fmt::format("bit {} flipped", std::countr_zero(flipped))
                                                         : fmt::format("{} bits flipped", std::popcount(flipped));
  const std::string others = differing > 1 ? fmt::format(", as are {} more elements", differing - 1) : "";
  return fmt::format(
      "silent data corruption: {} on {} was {}, expected {} ({}){}; set {} of repetition {}, at {}, {:.1f} s into the "
      "soak",
      place, device, hex(got, bits), hex(expected, bits), which, others, set, repetition, at_utc, at_seconds);
}

Json to_json(const Soak& s) {
  return {{"asked_seconds", finite_or_null(s.asked_seconds)},
          {"lasted_seconds", finite_or_null(s.lasted_seconds)},
          {"launches", s.launches},
          {"digested", s.digested},
          {"corrupted", s.corrupted},
          {"first_corruption", s.first_corruption ? to_json(*s.first_corruption) : Json(nullptr)},
          {"digest", s.digest},
          {"digest_of", s.digest_of},
          {"computed_by", s.computed_by},
          {"throttle_percent", finite_or_null(s.throttle_percent)},
          {"throttle", s.throttle ? to_json(*s.throttle) : Json(nullptr)},
          {"intervals", to_json(s.intervals)}};
}

Soak soak_from_json(const Json& json, const Measurement& samples, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  Soak s;
  s.asked_seconds = in.number("asked_seconds");
  s.lasted_seconds = in.number("lasted_seconds");
  s.launches = in.count("launches");
  s.digested = in.count("digested");
  s.corrupted = in.count("corrupted");
  if (s.corrupted > s.digested) in.fail("corrupted", "expected at most \"digested\"");
  if (!in.at("first_corruption").is_null()) s.first_corruption = corruption_from_json(in.object("first_corruption"));
  s.digest = in.text("digest");
  s.digest_of = in.text("digest_of");
  s.computed_by = in.text("computed_by");
  s.throttle_percent = in.number("throttle_percent");
  if (!in.at("throttle").is_null()) s.throttle = throttle_from_json(in.object("throttle"));
  s.intervals = intervals_from_json(in.object("intervals"), samples);
  return s;
}

}  // namespace assay
