#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/core/error.h"
#include "harness/project/hardware.h"
#include "harness/project/kernel_fit.h"
#include "harness/record/device_model.h"

namespace assay {
namespace {

/// One record that ended well, with its rates.
struct Timed {
  const Record* record;
  Rates rates;
};

/// Of the device itself: not of one core, nor while others were busy.
bool counts(const Record& record) { return record.point.core < 0 && record.point.together == 1; }

std::optional<Precision> precision_of(DType dtype) {
  if (dtype == DType::bf16 || dtype == DType::f16) return Precision::bf16;
  if (dtype == DType::e4m3) return Precision::fp8;
  if (dtype == DType::e2m1) return Precision::fp4;
  return std::nullopt;
}

/// All that is measured of one device; sustained figures where there are any, as a training step runs for hours.
class Reader {
 public:
  explicit Reader(const std::vector<NamedResult>& results) {
    for (const auto& each : results)
      for (const auto& record : each.result.records) read(record, each);
    if (model_.empty() && timed_.empty())
      throw InputError(fmt::format("{}: holds nothing that ended well and tells of one device; expected GEMMs at least",
                                   results.front().file));
  }

  Hardware take(const std::string& path) {
    Hardware hw = base();
    read_gemms(hw, path);
    read_groups(hw);
    read_attention(hw);
    read_stream(hw);
    read_links(hw);
    hw.source =
        fmt::format("{}: measured, {} GEMM shapes{} and {} of attention", path, hw.gemms.size(),
                    hw.groups.empty() ? "" : fmt::format(", {} of experts", hw.groups.size()), hw.attention.size());
    return hw;
  }

 private:
  void read(const Record& record, const NamedResult& from) {
    const auto rates = assay::rates(record);
    if (!rates || !counts(record)) return;
    const std::string model = device_model(record.point, from.result.provenance);
    // A node's result tells of its CPU, too: GPUs are what trains.
    if (record.point.device == Device::gpu && device_ == Device::cpu)
      timed_.clear(), model_.clear(), device_ = Device::gpu;
    if (record.point.device != device_) return;
    if (model_.empty()) model_ = model;
    if (model != model_)
      throw InputError(fmt::format("{}: was measured on {}, the others on {}; expected results of one device",
                                   from.file, model, model_));
    timed_.push_back({&record, *rates});
  }

  /// The datasheet's rates for what is not measured; a CPU has none.
  Hardware base() const {
    if (const Accelerator* known = find_accelerator(model_)) return hardware_of(*known);
    Hardware hw;
    hw.name = model_;
    if (device_ == Device::cpu) {
      hw.gemm_fill = 0;
      hw.tiles = {{16, 32, 1.0}};  // of the register tile; whole cores share the rows
      hw.notes.push_back("a CPU: no calibration on published runs, one rank a machine, memory not limited");
    } else {
      throw InputError(
          fmt::format("{} is in no file of configs/accelerators: add one for its memory and links", model_));
    }
    return hw;
  }

  bool sustained_any(const char* workload) const {
    return std::any_of(timed_.begin(), timed_.end(), [&](const Timed& t) {
      return t.record->point.workload == workload && t.record->point.mode == Mode::sustained;
    });
  }

  template <class Use>
  void each(const char* workload, const Use& use) const {
    const bool sustained = sustained_any(workload);
    for (const auto& timed : timed_)
      if (timed.record->point.workload == workload && (!sustained || timed.record->point.mode == Mode::sustained))
        use(timed);
  }

  static MeasuredTime time_of(const Timed& timed) {
    const Summary& s = timed.rates.seconds;
    return {s.median, (s.median_95.high - s.median_95.low) / 2, timed.record->point.kernel};
  }

  template <class Map, class Key>
  static void keep_fastest(Map& map, const Key& key, const MeasuredTime& time) {
    const auto [at, fresh] = map.try_emplace(key, time);
    if (!fresh && time.seconds < at->second.seconds) at->second = time;
  }

  void read_gemms(Hardware& hw, const std::string& path) {
    bool narrow = false;  // tensor-core types
    each("gemm", [&](const Timed& t) { narrow = narrow || precision_of(t.record->point.dtype).has_value(); });
    each("gemm", [&](const Timed& t) {
      const Case& point = t.record->point;
      auto precision = precision_of(point.dtype);
      if (!precision && !narrow && point.dtype == DType::f32) precision = Precision::bf16;
      if (!precision || point.word_or("weights", "plain") != "plain" || point.word_or("epilogue", "none") != "none")
        return;
      keep_fastest(hw.gemms,
                   MeasuredGemms::key_type{*precision, point.word("layout"), point.number("m"), point.number("n"),
                                           point.number("k")},
                   time_of(t));
    });
    if (hw.gemms.empty())
      throw InputError(fmt::format("{}: holds no GEMM that ended well; measure some: assay run gemm", path));
    if (!narrow) hw.notes.push_back("no bf16 GEMM was measured: f32 stands for it");
    hw.sustained = sustained_any("gemm");
    fit_kernel_model(hw);
  }

  /// Of loads that are no worse than training's: the skewed are another question.
  void read_groups(Hardware& hw) const {
    each("grouped_gemm", [&](const Timed& t) {
      const Case& point = t.record->point;
      const auto precision = precision_of(point.dtype);
      if (!precision || point.word_or("routing", "balanced") == "skewed") return;
      keep_fastest(hw.groups,
                   MeasuredGroups::key_type{*precision, point.word_or("pass", "forward"), point.number("groups"),
                                            point.number("rows"), point.number("n"), point.number("k")},
                   time_of(t));
    });
  }

  void read_attention(Hardware& hw) const {
    std::vector<double> forward, backward;
    each("attention", [&](const Timed& t) {
      const Case& point = t.record->point;
      if (point.dtype != DType::bf16 || point.word_or("mask", "") != "causal" ||
          point.word_or("lengths", "none") != "none" || point.number_or("window", 0) != 0 ||
          point.number("seq_q") != point.number("seq_kv"))
        return;
      const std::string pass = point.word_or("pass", "forward");
      (pass == "backward" ? backward : forward).push_back(*t.rates.flops_per_second);
      keep_fastest(hw.attention,
                   MeasuredAttention::key_type{pass, point.number("heads"), point.number("kv_heads"),
                                               point.number("seq_q"), point.number("head_dim"), point.number("batch")},
                   time_of(t));
    });
    if (!forward.empty()) hw.forward_ramp = 0;  // measured where it matters; the datasheet's stays with its rate
    if (!backward.empty()) hw.backward_ramp = 0;
    const auto fastest = [&](std::vector<double>& rates, double otherwise, const char* pass) {
      if (!rates.empty()) return *std::max_element(rates.begin(), rates.end());
      hw.notes.push_back(fmt::format("no causal {} attention was measured: {:.3g} FLOP/s is taken", pass, otherwise));
      return otherwise;
    };
    // Where nothing tells: half and 0.4 of the GEMM rate, as on the GPUs whose figures are published.
    hw.attention_forward =
        fastest(forward, hw.attention_forward > 0 ? hw.attention_forward : 0.5 * hw.gemm_flops[0], "forward");
    hw.attention_backward =
        fastest(backward, hw.attention_backward > 0 ? hw.attention_backward : 0.4 * hw.gemm_flops[0], "backward");
  }

  void read_stream(Hardware& hw) const {
    double best = 0, any = 0;
    for (const auto& timed : timed_)
      if (timed.rates.bytes_per_second && timed.record->point.cache == Cache::cold) {
        const bool copy = timed.record->point.workload == "peak" && timed.record->point.word_or("unit", "") == "copy";
        (copy ? best : any) = std::max(copy ? best : any, *timed.rates.bytes_per_second);
      }
    if (best > 0) return void(hw.memory_bytes_per_second = best);
    if (hw.memory_bytes_per_second > 0)
      hw.notes.push_back("no stream was measured: 0.9 of the datasheet's memory bandwidth is taken");
    else
      hw.memory_bytes_per_second = std::max(any, 1e9),
      hw.notes.push_back("no stream was measured: the most bytes a second that any kernel moved are taken");
  }

  void read_links(Hardware& hw) const {
    double best = 0;
    each("all_reduce", [&](const Timed& t) { best = std::max(best, t.rates.bus_bytes_per_second.value_or(0)); });
    hw.links_measured = best > 0;
    if (best > 0) return hw.link_note.clear(), void(hw.link_bytes_per_second = best);
    if (hw.link_bytes_per_second <= 0) hw.link_bytes_per_second = hw.memory_bytes_per_second / 4;
    hw.notes.push_back(
        fmt::format("no all-reduce was measured: {:.3g} GB/s within a node are taken", hw.link_bytes_per_second / 1e9));
  }

  Device device_ = Device::cpu;
  std::string model_;
  std::vector<Timed> timed_;
};

}  // namespace

Hardware hardware_of(const std::vector<NamedResult>& results) {
  if (results.empty()) throw InputError("expected a result");
  for (const auto& each : results)
    if (each.result.seal == Seal::broken)
      throw InputError(each.file + ": was changed after it was written (its seal does not match): measure again");
  Hardware hw = Reader(results).take(results.front().file);
  for (const auto& each : results)
    if (!each.result.complete) hw.notes.push_back(each.file + ": the run is not complete (assay run --resume ends it)");
  return hw;
}

}  // namespace assay
