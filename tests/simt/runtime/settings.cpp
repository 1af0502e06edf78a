#include "tests/simt/runtime/settings.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>

namespace simt::runtime {
namespace {

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > (std::uint64_t(1) << 40))
    throw std::invalid_argument("not a number");
  return value;
}

template <class T>
T one_of(const std::map<std::string, T>& values, const std::string& text) {
  const auto found = values.find(text);
  if (found == values.end()) throw std::invalid_argument("no such value");
  return found->second;
}

void set_races(Settings& s, const std::string& value) {
  s.machine.racecheck = one_of<bool>({{"on", true}, {"global", true}, {"off", false}}, value);
  if (value != "global") return;
  s.machine.global_races = true;
  s.machine.cta_order = CtaOrder::Random;
}

void set_replacement(Settings& s, const std::string& value) {
  const auto colon = value.find(':');
  if (colon == value.npos || colon == 0) throw std::invalid_argument("not TEXT:TEXT");
  s.replaced = value.substr(0, colon), s.replacing = value.substr(colon + 1);
}

using Setter = std::function<void(Settings&, const std::string&)>;
const std::map<std::string, Setter>& setters() {
  using V = const std::string&;
  static const std::map<std::string, Setter> table = {
      {"async",
       [](Settings& s, V v) {
         s.machine.async =
             one_of<Async>({{"eager", Async::Eager}, {"lazy", Async::Lazy}, {"random", Async::Random}}, v);
         s.machine.shuffle_schedule = s.machine.async == Async::Random;
       }},
      {"seed", [](Settings& s, V v) { s.machine.seed = number(v); }},
      {"races", set_races},
      {"streams",
       [](Settings& s, V v) {
         s.random_streams = one_of<bool>({{"late", false}, {"random", true}}, v);
       }},
      {"devices", [](Settings& s, V v) { s.devices = int(number(v)); }},
      {"multiprocessors", [](Settings& s, V v) { s.multiprocessors = int(number(v)); }},
      {"sm",
       [](Settings& s, V v) {
         s.compute_capability = one_of<int>({{"80", 80}, {"90", 90}, {"100", 100}}, v);
       }},
      {"memory", [](Settings& s, V v) { s.memory_bytes = number(v); }},
      {"kernel", [](Settings& s, V v) { s.kernel = v; }},
      {"short", [](Settings& s, V v) { s.shortened = number(v); }},
      {"replace", set_replacement}};
  return table;
}

}  // namespace

Settings parse_settings(const std::string& text) {
  Settings out;
  std::istringstream pairs(text);
  for (std::string pair; std::getline(pairs, pair, ',');) {
    const auto equals = pair.find('=');
    const auto setter = setters().find(pair.substr(0, equals));
    try {
      if (equals == pair.npos || setter == setters().end()) throw std::invalid_argument("no such setting");
      setter->second(out, pair.substr(equals + 1));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("ASSAY_SIMT: " + pair + ": " + error.what());
    }
  }
  return out;
}

const Settings& settings() {
  static const Settings once = [] {
    const char* text = std::getenv("ASSAY_SIMT");
    try {
      return parse_settings(text ? text : "");
    } catch (const std::invalid_argument& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::_Exit(2);
    }
  }();
  return once;
}

}  // namespace simt::runtime
