// What the tests of layer kernels on the functional GPU share.  Its device memory is the host's, so that references
// read the very arrays the kernels do.
#pragma once
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/layer/layer.h"
#include "tests/simt/simt.h"

namespace assay {

class LayerOnSimt {
 public:
  /// `global_races` costs most of the time: for small shapes.
  explicit LayerOnSimt(simt::Async async = simt::Async::Lazy, bool global_races = false) {
    options_.async = async;
    options_.heap = &heap_;
    options_.shuffle_schedule = async == simt::Async::Random;
    options_.global_races = global_races;
  }

  /// Normal numbers times `scale` plus `shift`, rounded to the type.
  void* random(DType t, std::int64_t count, double scale = 1, double shift = 0) {
    void* array = poisoned(t, count);
    std::normal_distribution<double> normal;
    for (std::int64_t i = 0; i < count; ++i) store_element(t, array, i, normal(generator_) * scale + shift);
    return array;
  }
  /// Every byte 0xff: NaN, and -1.
  void* poisoned(DType t, std::int64_t count) { return heap_.allocate(std::size_t(storage_bytes(t, count))); }
  template <class T>
  T* poisoned(std::int64_t count) {
    return heap_.poisoned<T>(std::size_t(count));
  }
  template <class T>
  T* upload(const std::vector<T>& values) {
    return heap_.upload(values);
  }
  void* copy(DType t, const void* array, std::int64_t count) {
    void* to = poisoned(t, count);
    std::memcpy(to, array, std::size_t(storage_bytes(t, count)));
    return to;
  }

  /// Without bank conflicts, unless where a kernel reads shared memory depends on its data.
  template <class Params>
  simt::Stats run(const simt::ptx::Module& module, const std::vector<LaunchPlan<Params>>& plans,
                  bool addresses_are_data = false) {
    simt::Stats all;
    for (const LaunchPlan<Params>& plan : plans) {
      const simt::Stats stats = simt::launch(module.kernel(plan.kernel), plan, options_);
      if (!addresses_are_data) {
        EXPECT_EQ(stats.bank_conflicts, 0U) << "bank conflicts in " << plan.kernel;
      }
      all.sectors += stats.sectors, all.requests += stats.requests;
    }
    return all;
  }

  simt::DeviceHeap& heap() { return heap_; }
  std::mt19937_64& generator() { return generator_; }

 private:
  simt::DeviceHeap heap_;
  simt::Options options_;
  std::mt19937_64 generator_{20251129};
};

/// An H100's figures but for the multiprocessors: few, so that blocks take turns.
inline Target simt_target(int multiprocessors = 1) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 90;
  target.multiprocessors = multiprocessors;
  target.shared_bytes_per_block = 227 * 1024;
  target.l2_bytes = std::size_t(50) << 20;
  return target;
}

/// Counts elements beyond what is allowed, NaN among them, and reports the first.
class LayerComparison {
 public:
  explicit LayerComparison(std::string what) : what_(std::move(what)) {}
  ~LayerComparison() { EXPECT_EQ(wrong_, 0) << "wrong result: " << what_ << first_; }
  LayerComparison(const LayerComparison&) = delete;
  LayerComparison& operator=(const LayerComparison&) = delete;

  void element(const LayerElement& expected, double actual, const char* name, std::int64_t row,
               std::int64_t column = 0) {
    const bool same = expected.value == actual || (std::isnan(expected.value) && std::isnan(actual));  // infinities
    if (same || std::abs(expected.value - actual) <= expected.allowed) return;
    if (wrong_++ == 0)
      first_ = std::string(": ") + name + "[" + std::to_string(row) + ", " + std::to_string(column) + "] is " +
               std::to_string(actual) + ", not " + std::to_string(expected.value) + " within " +
               std::to_string(expected.allowed);
  }
  void row(const LayerRow& expected, DType t, const void* array, const char* name, std::int64_t row) {
    const auto columns = std::int64_t(expected.value.size());
    for (std::int64_t c = 0; c < columns; ++c)
      element({expected.value[std::size_t(c)], expected.allowed[std::size_t(c)]},
              load_element(t, array, row * columns + c), name, row, c);
  }
  void same_bits(const void* a, const void* b, std::int64_t bytes, const char* name) {
    if (std::memcmp(a, b, std::size_t(bytes)) == 0) return;
    if (wrong_++ == 0) first_ = std::string(": ") + name + " has other bits";
  }

 private:
  std::string what_, first_;
  int wrong_ = 0;
};

}  // namespace assay
