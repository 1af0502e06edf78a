#include "tests/harness/verdict/synthetic_fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "harness/core/names.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

constexpr Named<Planted> kNames[] = {{Planted::none, "healthy"},
                                     {Planted::straggler, "straggler"},
                                     {Planted::one_case, "slow in one case"},
                                     {Planted::empty, "empty"},
                                     {Planted::broken, "broken"}};
constexpr const char* kHost = "@HOST@";
constexpr double kMark = 0.123456789;  // a sample that no case has: where the real ones go
constexpr const char* kWorkloads[] = {"gemm", "attention", "all_reduce"};

Record record_of(std::size_t index) {
  Record record = ok_record(std::int64_t(64 * (index + 1)), "mma_sm80", kMark);
  record.point.workload = kWorkloads[index % std::size(kWorkloads)];
  record.point.device = Device::gpu;
  record.measurement.seconds = {kMark};
  return record;
}

std::pair<std::string, std::string> split(const std::string& text, const std::string& at) {
  const auto found = text.find(at);
  if (found == std::string::npos) throw std::logic_error("the template lacks " + at);
  return {text.substr(0, found), text.substr(found + at.size())};
}

}  // namespace

const char* name(Planted value) { return find_name(kNames, value); }

FleetMaker::FleetMaker(const SyntheticFleet& fleet) : fleet_(fleet), planted_(fleet.nodes, Planted::none) {
  std::mt19937_64 random(fleet.seed);
  std::size_t at = 0;
  const auto plant = [&](std::size_t count, Planted what) {
    for (; count > 0 && at < planted_.size(); --count) planted_[at++] = what;
  };
  plant(fleet.stragglers, Planted::straggler);
  plant(fleet.one_case, Planted::one_case);
  plant(fleet.empty, Planted::empty);
  plant(fleet.broken, Planted::broken);
  std::shuffle(planted_.begin(), planted_.end(), random);
  std::uniform_real_distribution<double> u(0, 1);
  for (std::size_t c = 0; c < fleet.cases; ++c) {
    Kind kind{};
    kind.seconds = 20e-6 * std::pow(2500, u(random));  // 20 us to 50 ms
    kind.spread = 0.01 + 0.008 * u(random);
    kind.noise = 0.003 + 0.017 * u(random);
    kind.rho = 0.8 * u(random);
    if (c % 5 == 4) kind.slow_mode = 0.06 + 0.09 * u(random), kind.slow_share = 0.15 + 0.35 * u(random);
    kinds_.push_back(kind);
    const auto [before, after] = split(to_json(record_of(c)).dump(), fmt::format("\"seconds\":[{}]", kMark));
    before_.push_back(before + "\"seconds\":[");
    after_.push_back("]" + after);
  }
  Result result = sample_result({});
  result.provenance["system"]["hostname"] = kHost;
  result.provenance["gpus"] = {{{"index", 0}, {"name", "NVIDIA H200"}, {"uuid", "GPU-" + std::string(kHost)}}};
  const auto [head, rest] = split(to_text(result), "\"records\": [");
  head_ = head + "\"records\": [";
  before_seal_ = rest.substr(0, rest.find(",\n \"seal\""));
}

std::string FleetMaker::host(std::size_t node) { return fmt::format("node{:05d}", node); }

std::vector<std::vector<double>> FleetMaker::samples(std::size_t node) const {
  std::mt19937_64 random(fleet_.seed * 1'000'003 + node + 1);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> u(0, 1);
  const double own = fleet_.node_spread * normal(random);
  std::vector<std::vector<double>> out(fleet_.cases);
  for (std::size_t c = 0; c < fleet_.cases; ++c) {
    const Kind& kind = kinds_[c];
    double factor = 1 + own + kind.spread * normal(random);
    if (planted_[node] == Planted::straggler) factor /= 1 - fleet_.slow;
    if (planted_[node] == Planted::one_case && c == slow_case(node)) factor /= 0.8;
    double wander = normal(random);  // autocorrelated: rho from one sample to the next
    bool slow = u(random) < kind.slow_share;
    for (std::size_t i = 0; i < fleet_.samples; ++i) {
      wander = kind.rho * wander + std::sqrt(1 - kind.rho * kind.rho) * normal(random);
      if (u(random) < 0.3) slow = u(random) < kind.slow_share;  // modes come in runs of about three samples
      out[c].push_back(kind.seconds * factor * std::exp(kind.noise * wander) * (slow ? 1 + kind.slow_mode : 1));
    }
  }
  return out;
}

std::string FleetMaker::text(std::size_t node) const {
  std::string head = head_;
  for (std::size_t at; (at = head.find(kHost)) != std::string::npos;)
    head.replace(at, std::string(kHost).size(), host(node));
  if (planted_[node] == Planted::empty) return sealed(head + before_seal_);
  fmt::memory_buffer out;
  out.append(head);
  const auto all = samples(node);
  for (std::size_t c = 0; c < all.size(); ++c) {
    out.append(std::string_view(c == 0 ? "\n" : ",\n"));
    out.append(before_[c]);
    for (std::size_t i = 0; i < all[c].size(); ++i)
      fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",", all[c][i]);
    out.append(after_[c]);
  }
  std::string text = fmt::to_string(out);
  if (planted_[node] == Planted::broken) return text.substr(0, text.size() / 2);
  return sealed(text + before_seal_);
}

}  // namespace assay
