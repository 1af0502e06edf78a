#include "tests/simt/gemm/sm100/tcgen05_on_simt.h"

#include <cmath>
#include <random>
#include <sstream>
#include <stdexcept>

#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

/// Makes a problem's arrays on the functional GPU, whose memory the host can read.
class Arrays {
 public:
  Arrays(simt::DeviceHeap& heap, const GemmProblem& p) : heap_(heap), problem_(p) {
    buffers.a = values(p.a_dtype(), p.m * p.k);
    buffers.b = values(p.b_dtype(), p.k * p.n);
    if (has_tensor_scale(p.scaling)) {
      buffers.a_tensor_scale = heap.upload(std::vector<float>{0.75f});
      buffers.b_tensor_scale = heap.upload(std::vector<float>{1.625f});
    }
    if (has_block_scales(p.scaling)) {
      buffers.a_block_scales = scales(p.m, a_scale_bytes(p), a_scale_index);
      buffers.b_block_scales = scales(p.n, b_scale_bytes(p), b_scale_index);
    }
    if (p.accumulates())
      buffers.d = values(p.output(), p.m * p.n);
    else  // NaN: an element never written is wrong
      buffers.d = heap.allocate(static_cast<std::size_t>(storage_bytes(p.output(), p.m * p.n)));
  }

  GemmBuffers buffers;

 private:
  void* values(DType dtype, std::int64_t count) {
    const auto bytes = static_cast<std::size_t>(storage_bytes(dtype, count));
    void* array = heap_.allocate(bytes);
    std::memset(array, 0, bytes);  // of two elements in a byte, both are assigned
    for (std::int64_t i = 0; i < count; ++i) store_element(dtype, array, i, normal_(generator_));
    return array;
  }
  /// Factors within the array's tiles that belong to no row or block are zero, as gemm_scaling.h has it.
  void* scales(std::int64_t rows, std::int64_t bytes,
               std::int64_t (*index)(const GemmProblem&, std::int64_t, std::int64_t)) {
    auto* array = static_cast<std::uint8_t*>(heap_.allocate(static_cast<std::size_t>(bytes)));
    std::memset(array, 0, static_cast<std::size_t>(bytes));
    std::uniform_int_distribution<int> exponent(-3, 3);
    std::uniform_real_distribution<double> factor(0.25, 4);
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t block = 0; block < scale_blocks(problem_.scaling, problem_.k); ++block) {
        const std::int64_t at = index(problem_, row, block);
        if (problem_.scaling == GemmScaling::mx)
          array[at] = static_cast<std::uint8_t>(127 + exponent(generator_));
        else
          store_element(DType::e4m3, array, at, factor(generator_));
      }
    return array;
  }

  simt::DeviceHeap& heap_;
  const GemmProblem& problem_;
  std::mt19937 generator_{1};
  std::normal_distribution<double> normal_;
};

std::string compare(const GemmProblem& p, const GemmBuffers& buffers, const std::vector<float>& before) {
  // fp32 accumulation in some order; factors of 24 bits round each product once or twice more.
  const double accumulation = (2 * std::sqrt(static_cast<double>(p.k)) + 2) * unit_roundoff(DType::f32);
  std::size_t wrong = 0;
  std::string first;
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      auto [expected, magnitude] = gemm_reference(p, buffers, i, j);
      if (p.accumulates()) {
        const double old = before[static_cast<std::size_t>(i * p.n + j)];
        expected += old, magnitude += std::abs(old);
      }
      const double got = load_element(p.output(), buffers.d, i * p.n + j);
      const double allowed = accumulation * magnitude + unit_roundoff(p.output()) * std::abs(expected);
      if (!(std::abs(got - expected) <= allowed) && wrong++ == 0)
        first = simt::format("d[%lld][%lld] is %g, expected %g +- %g", static_cast<long long>(i),
                             static_cast<long long>(j), got, expected, allowed);
    }
  if (wrong == 0) return {};
  return simt::format("%zu of %lld elements wrong, first ", wrong, static_cast<long long>(p.m * p.n)) + first;
}

}  // namespace

std::string describe(const Tcgen05Run& run) {
  const GemmProblem& p = run.problem;
  return std::string(name(p.dtype)) + " " + name(p.scaling) + " " + name(p.layout) + (p.accumulate ? "+ " : " ") +
         std::to_string(p.m) + "x" + std::to_string(p.n) + "x" + std::to_string(p.k) +
         (p.config.empty() ? "" : " " + p.config);
}

/// The one of `values` that is called `text`.
template <class T>
static bool parse_name(const std::string& text, std::initializer_list<T> values, T& out) {
  for (const T value : values)
    if (text == name(value)) return out = value, true;
  return false;
}

Tcgen05Run parse_tcgen05_run(const std::string& text) {
  std::istringstream words(text);
  std::string dtype, scaling, layout;
  Tcgen05Run run;
  GemmProblem& p = run.problem;
  char x = 0, y = 0;
  words >> dtype >> scaling >> layout >> p.m >> x >> p.n >> y >> p.k;
  bool known = words && x == 'x' && y == 'x';
  words >> p.config;
  if (!layout.empty() && layout.back() == '+') p.accumulate = true, layout.pop_back();
  known = known && parse_dtype(dtype, p.dtype) &&
          parse_name(scaling,
                     {GemmScaling::none, GemmScaling::tensor, GemmScaling::block, GemmScaling::mx, GemmScaling::nv},
                     p.scaling) &&
          parse_name(layout, {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}, p.layout);
  if (!known) throw std::invalid_argument("no run of tcgen05_sm100: " + text);
  return run;
}

Tcgen05Outcome run_tcgen05(const simt::ptx::Module& module, const Tcgen05Run& run, simt::Options options) {
  const GemmProblem& p = run.problem;
  const Target target = small_blackwell(run.multiprocessors);
  if (const Support support = supports_tcgen05_sm100(p, target); !support.ok())
    throw std::invalid_argument(describe(run) + ": " + support.reason);
  simt::DeviceHeap heap;
  options.heap = &heap;
  const Arrays arrays(heap, p);
  std::vector<float> before;
  if (p.accumulates())
    before = heap.download(static_cast<const float*>(arrays.buffers.d), static_cast<std::size_t>(p.m * p.n));
  const auto plan = plan_tcgen05_sm100(p, arrays.buffers, target, encode_tensor_map);
  Tcgen05Outcome outcome;
  outcome.stats = simt::launch(module.kernel(plan.kernel), plan, options);
  outcome.wrong = compare(p, arrays.buffers, before);
  return outcome;
}

}  // namespace assay
