#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/record/device_model.h"
#include "harness/verdict/node.h"
#include "harness/verdict/outliers.h"

namespace assay {
namespace {

/// Nothing is this much better than expected: another machine, or a measurement of something else (a compiler that
/// removed the work).
constexpr double kTooGood = 2;

/// Collects the judgements of one result.
class Judge {
 public:
  Judge(const Node& node, const std::string& file, const Expectations* expectations)
      : node_(node), file_(file), expectations_(expectations) {}

  std::vector<Judgement> all() {
    for (const auto& problem : node_.problems) add_problem("the result " + problem);
    if (!node_.result.complete) add_problem("the run is not complete: assay run --resume");
    if (!expectations_)
      add_problem("nobody said what " + machine_of(node_.result.provenance).describe() +
                  " should reach: --expect FILE, and --learn makes one from a node known to be good");
    if (expectations_)
      for (const auto& e : expectations_->entries) judge_entry(e);
    for (const auto& record : node_.result.records)
      if (!judged_.count(record.point.id())) judge_unexpected(record);
    // What is wrong with the whole result is wrong with each of its figures.
    for (auto& j : out_)
      if (j.standing == Standing::pass && !node_.problems.empty()) {
        j.standing = Standing::could_not_measure;
        j.text = "the result " + node_.problems.front();
      }
    return std::move(out_);
  }

 private:
  Judgement& add(Standing standing, const std::string& id, std::string text) {
    Judgement j;
    j.standing = standing;
    j.result = file_;
    j.host = node_.host;
    j.id = id;
    j.text = std::move(text);
    out_.push_back(std::move(j));
    return out_.back();
  }
  void add_problem(std::string text) { add(Standing::could_not_measure, "run", std::move(text)); }
  Judgement& add(Standing standing, const std::string& id, std::string text, const Expectation& e) {
    Judgement& j = add(standing, id, std::move(text));
    j.expectation = e.name;
    j.source = e.source + ", " + e.date;
    j.unit = e.unit;
    return j;
  }

  void judge_entry(const Expectation& e) {
    if (e.gpus && *e.gpus != node_.gpus) return;
    if (e.kind == ExpectationKind::spread && node_.gpus == 1) return;  // nothing to compare it with
    if (!e.per_gpu) return judge_group(e, std::nullopt);
    for (int gpu = 0; gpu < node_.gpus; ++gpu) judge_group(e, gpu);
    if (node_.gpus == 0) add(Standing::could_not_measure, e.pattern, "the node shows no GPU", e);
  }

  void judge_group(const Expectation& e, std::optional<int> gpu) {
    const auto all = matching(node_, e, gpu);
    std::set<int> together = {1};
    for (const Record* record : all) together.insert(record->point.together);
    if (!all.empty() && std::none_of(all.begin(), all.end(), [](const Record* r) { return r->point.together <= 1; }))
      together.erase(1);
    for (const int devices : together) {  // the fastest is always one that was alone
      auto records = all;
      std::erase_if(records, [&](const Record* r) { return std::max(1, r->point.together) != devices; });
      judge_matches(e, gpu, records);
    }
  }

  void judge_matches(const Expectation& e, std::optional<int> gpu, const std::vector<const Record*>& records) {
    const std::string where = gpu ? fmt::format("GPU {}: ", *gpu) : std::string();
    std::string id = e.pattern;
    if (const auto star = id.find("/gpu*/"); gpu && star != std::string::npos)
      id.replace(star, 6, fmt::format("/gpu{}/", *gpu));
    if (records.empty()) {
      add(Standing::could_not_measure, id, where + "was not measured" + suite_hint(), e);
      return;
    }
    if (!e.best) {
      for (const Record* record : records) judge_record(e, *record);
      return;
    }
    if (const Record* best = fastest(node_, records, e.unit)) return judge_record(e, *best);
    const Record& first = *records.front();
    const std::string why = unusable(first, node_.options);
    add(Standing::could_not_measure, id, where + (why.empty() ? "has no rate in " + std::string(name(e.unit)) : why),
        e);
  }

  std::string suite_hint() const {
    const std::string& suite = expectations_->suite;
    return node_.result.suite == suite ? std::string() : ": assay run " + suite + " measures it";
  }

  void judge_record(const Expectation& e, const Record& record) {
    const std::string id = record.point.id();
    if (record.outcome.kind == OutcomeKind::wrong) return judge_wrong(record, &e);
    judged_.insert(id);
    if (const auto why = unusable(record, node_.options); !why.empty()) {
      add(Standing::could_not_measure, id, why, e);
      return;
    }
    if (expectations_->machine.is_gpu())
      if (const auto model = device_model(record.point, node_.result.provenance);
          !is_wanted(expectations_->machine, model)) {
        add(Standing::could_not_measure, id,
            fmt::format("GPU {} is {}, expected {}", record.point.device_index,
                        model.empty() ? "unknown" : "an " + model, expectations_->machine.describe()),
            e);
        return;
      }
    const Expected expected = expected_of(node_, e, record);
    const auto rate = rate_of(record, e.unit);
    if (!rate || !expected.value || !(*expected.value > 0)) {
      add(Standing::could_not_measure, id, !rate ? "has no rate in " + std::string(name(e.unit)) : expected.problem, e);
      return;
    }
    compare(e, record, *rate, expected);
  }

  void compare(const Expectation& e, const Record& record, double rate, const Expected& expected) {
    Judgement& j = add(Standing::could_not_measure, record.point.id(), {}, e);
    const double least = *expected.value * (1 - e.tolerance);
    j.measured = rate;
    j.expected = *expected.value;
    j.least = least;
    const Summary seconds = rates(record)->seconds;
    const double at_best = rate * seconds.median / seconds.median_95.low;  // the interval's fast end
    const std::string figures = fmt::format("{} of {} expected, at least {}", format_rate(rate, e.unit),
                                            format_rate(*expected.value, e.unit), format_rate(least, e.unit));
    if (!(rate <= kTooGood * *expected.value)) {
      j.text = figures +
               fmt::format(": {:.1f} times too good, another machine or a wrong measurement", rate / *expected.value);
      return;
    }
    if (const auto late = rate_at_end(record, rate); rate >= least && late && !(*late >= least)) {
      j.standing = Standing::fail;
      j.measured = *late;
      j.cause = explain(record, *late / *expected.value, normal_for(e, record, expected));
      j.text = fmt::format("{}: {} from {:.0f} s into the soak on: {}", figures, format_rate(*late, e.unit),
                           *record.soak->throttle->at_seconds, j.cause->text);
      if (j.cause->disturbed()) j.standing = Standing::could_not_measure;
      return;
    }
    if (rate >= least)
      return pass(j, figures, record, explain(record, rate / *expected.value, normal_for(e, record, expected)));
    j.cause = explain(record, rate / *expected.value, normal_for(e, record, expected));
    if (const auto forced = forced_on(node_, record); !forced.empty()) {
      j.cause.reset();
      j.text = figures + ": " + forced;
    } else if (j.cause->disturbed())
      j.text = figures + ": " + j.cause->text;
    else if (at_best >= least && !makes_uneven(j.cause->code))
      j.text = figures + fmt::format(": too noisy to tell, its 95 % interval reaches {}: {}",
                                     format_rate(at_best, e.unit), j.cause->text);
    else {
      j.standing = Standing::fail;
      j.text = figures + ": " + j.cause->text;
    }
  }

  /// Fast enough; but a device that fails is not healthy however fast it is.
  static void pass(Judgement& j, const std::string& figures, const Record& record, const Cause& cause) {
    const bool faulty = cause.code == CauseCode::xid || cause.code == CauseCode::ecc_uncorrected;
    j.standing = faulty && cause.action == Action::drain ? Standing::fail : Standing::pass;
    j.text = figures;
    if (j.standing == Standing::fail) j.cause = cause;
    const bool corrected = std::any_of(record.telemetry.begin(), record.telemetry.end(),
                                       [](const Telemetry& t) { return t.ecc_corrected.value_or(0) > 0; });
    if (faulty)
      j.text += ": " + cause.text;
    else if (corrected)
      j.text += ": memory errors were corrected meanwhile, watch whether they grow";
  }

  /// A fault that comes in the middle is no noise, however far the samples before it reach.
  static bool makes_uneven(CauseCode code) {
    return code == CauseCode::thermal || code == CauseCode::hardware_slowdown || code == CauseCode::xid ||
           code == CauseCode::ecc_uncorrected;
  }

  /// Of a soak that throttled: what it does from then on; its median may be from before.
  static std::optional<double> rate_at_end(const Record& record, double rate) {
    if (!record.soak || !record.soak->throttle || !record.soak->throttle->at_seconds) return std::nullopt;
    std::vector<double> all, late;
    for (const auto& one : record.soak->intervals) {
      all.push_back(one.seconds_per_launch());
      if (one.start_seconds >= *record.soak->throttle->at_seconds) late.push_back(all.back());
    }
    if (late.empty()) return std::nullopt;
    return rate * median_of(all) / median_of(late);
  }

  /// What the expectation says, then what a peer shows, then what the driver calls the part's default.
  Normal normal_for(const Expectation& e, const Record& record, const Expected& expected) const {
    Normal out = e.conditions.normal;
    if (expected.known) out = normal_of(*expected.known);
    fill_from_peers(out, record);
    out.fast_alone = record.point.together > 1 && is_fast_alone(e, record);
    if (out.power_cap_watts || record.point.device != Device::gpu) return out;
    for (const auto& gpu : node_.result.provenance["gpus"])
      if (gpu.is_object() && gpu.value("index", nlohmann::ordered_json()) == record.point.device_index &&
          gpu.contains("power_default_watts") && gpu["power_default_watts"].is_number())
        out.power_cap_watts = gpu["power_default_watts"].get<double>();
    return out;
  }

  /// What nobody said, as most of the node's GPUs show it in the same case; of too few nobody knows which is healthy.
  void fill_from_peers(Normal& out, const Record& record) const {
    if (record.point.device != Device::gpu) return;
    Record all;
    for (const Record& other : node_.result.records) {
      Case here = other.point;
      here.device_index = record.point.device_index;
      if (here.id() == record.point.id())
        all.telemetry.insert(all.telemetry.end(), other.telemetry.begin(), other.telemetry.end());
    }
    constexpr std::size_t kMajority = 3;
    if (all.telemetry.size() < kMajority) return;
    const Normal usual = normal_of(all);
    if (!out.clock_mhz) out.clock_mhz = usual.clock_mhz;
    if (!out.memory_clock_mhz) out.memory_clock_mhz = usual.memory_clock_mhz;
    if (!out.pcie_generation) out.pcie_generation = usual.pcie_generation;
  }

  bool is_fast_alone(const Expectation& e, const Record& record) const {
    Case lone = record.point;
    lone.together = Case().together;
    for (const Record& other : node_.result.records) {
      if (other.point.id() != lone.id() || !unusable(other, node_.options).empty()) continue;
      const auto rate = rate_of(other, e.unit);
      const Expected expected = expected_of(node_, e, other);
      return rate && expected.value && *rate >= *expected.value * (1 - e.tolerance);
    }
    return false;
  }

  void judge_wrong(const Record& record, const Expectation* e) {
    if (!judged_.insert(record.point.id()).second) return;
    Judgement& j = e ? add(Standing::fail, record.point.id(), {}, *e) : add(Standing::fail, record.point.id(), {});
    j.wrong = true;
    j.cause = explain(record, 0, Normal{});
    j.text = "wrong numbers: " + record.outcome.reason + ": " + j.cause->text;
  }

  /// Cases that no expectation is about: never a pass; a wrong one is a fail, a crash is seen.
  void judge_unexpected(const Record& record) {
    switch (record.outcome.kind) {
      case OutcomeKind::wrong:
        return judge_wrong(record, nullptr);
      case OutcomeKind::failed:
      case OutcomeKind::timed_out:
        add(Standing::could_not_measure, record.point.id(), unusable(record, node_.options));
        return;
      case OutcomeKind::ok:
        add(Standing::not_judged, record.point.id(), "right, and nobody said how fast it should be");
        return;
      case OutcomeKind::skipped:
        add(Standing::not_judged, record.point.id(), "skipped: " + record.outcome.reason);
        return;
    }
  }

  const Node& node_;
  const std::string& file_;
  const Expectations* expectations_;
  std::vector<Judgement> out_;
  std::set<std::string> judged_;
};

}  // namespace

std::vector<Judgement> judge(const Result& result, const std::string& file, const Expectations* expectations,
                             const CheckOptions& options) {
  const Node node = look_at_node(result, expectations, options);
  return Judge(node, file, expectations).all();
}

}  // namespace assay
