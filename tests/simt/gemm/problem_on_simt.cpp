#include "tests/simt/gemm/problem_on_simt.h"

#include <cmath>
#include <cstring>
#include <random>

namespace assay {
namespace {

std::vector<unsigned char> random_elements(DType dtype, std::int64_t count, double width, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0, width);
  std::vector<unsigned char> array(static_cast<std::size_t>(storage_bytes(dtype, count)));
  for (std::int64_t i = 0; i < count; ++i) store_element(dtype, array.data(), i, normal(generator));
  return array;
}

}  // namespace

GemmProblemOnSimt::GemmProblemOnSimt(const GemmProblem& p)
    : problem_(p),
      a_(random_elements(p.a_dtype(), p.m * p.k, 1, 1)),
      b_(random_elements(p.b_dtype(), p.k * p.n, 1, 2)),
      a_block_scales_(make_block_scales(true)),
      b_block_scales_(make_block_scales(false)) {
  if (p.accumulates()) d_ = random_elements(p.output(), p.m * p.n, 20, 3);
  multiply();
}

/// Factors within a factor of eight of each other; no two neighbours are the same.  What belongs to no row or block is
/// NaN in fp32, where nobody may read it, and zero in tiles, as gemm_scaling.h has it.
GemmProblemOnSimt::Bytes GemmProblemOnSimt::make_block_scales(bool of_a) const {
  const GemmProblem& p = problem_;
  if (!has_block_scales(p.scaling)) return {};
  Bytes array(static_cast<std::size_t>(of_a ? a_scale_bytes(p) : b_scale_bytes(p)),
              p.scaling == GemmScaling::block ? 0xff : 0);
  std::mt19937 generator(of_a ? 4 : 5);
  std::uniform_real_distribution<double> factor(0.25, 2);
  std::uniform_int_distribution<int> exponent(-2, 1);
  const std::int64_t rows = of_a ? p.m : p.n, step = p.scaling == GemmScaling::block && !of_a ? 128 : 1;
  for (std::int64_t block = 0; block < scale_blocks(p.scaling, p.k); ++block)
    for (std::int64_t row = 0; row < rows; row += step) {
      const std::int64_t at = of_a ? a_scale_index(p, row, block) : b_scale_index(p, row, block);
      if (p.scaling == GemmScaling::mx)
        array[static_cast<std::size_t>(at)] = static_cast<unsigned char>(127 + exponent(generator));
      else
        store_element(p.scaling == GemmScaling::nv ? DType::e4m3 : DType::f32, array.data(), at, factor(generator));
    }
  return array;
}

GemmBuffers GemmProblemOnSimt::host() const {
  GemmBuffers buffers;
  buffers.a = a_.data(), buffers.b = b_.data();
  buffers.a_tensor_scale = &a_tensor_scale_, buffers.b_tensor_scale = &b_tensor_scale_;
  buffers.a_block_scales = a_block_scales_.data(), buffers.b_block_scales = b_block_scales_.data();
  return buffers;
}

/// In fp64.  A kernel may add in fp32 in some order, and rounds each factor's product with a sum once or twice more.
void GemmProblemOnSimt::multiply() {
  const GemmProblem& p = problem_;
  const GemmBuffers buffers = host();
  const auto m = static_cast<std::size_t>(p.m), n = static_cast<std::size_t>(p.n), k = static_cast<std::size_t>(p.k);
  std::vector<double> b(k * n), magnitude(m * n);
  for (std::int64_t q = 0; q < p.k; ++q)
    for (std::int64_t j = 0; j < p.n; ++j)
      b[static_cast<std::size_t>(q * p.n + j)] =
          load_element(p.b_dtype(), buffers.b, p.b_index(q, j)) * b_scale(p, buffers, q, j);
  expected_.assign(m * n, 0);
  for (std::size_t i = 0; p.accumulates() && i < m * n; ++i) {
    expected_[i] = load_element(p.output(), d_.data(), static_cast<std::int64_t>(i));
    magnitude[i] = std::abs(expected_[i]);
  }
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t q = 0; q < k; ++q) {
      const auto row = static_cast<std::int64_t>(i), at = static_cast<std::int64_t>(q);
      const double a = load_element(p.a_dtype(), buffers.a, p.a_index(row, at)) * a_scale(p, buffers, row, at);
      for (std::size_t j = 0; j < n; ++j) {
        expected_[i * n + j] += a * b[q * n + j];
        magnitude[i * n + j] += std::abs(a * b[q * n + j]);
      }
    }
  const double accumulation = (2 * std::sqrt(static_cast<double>(p.k)) + 4) * unit_roundoff(DType::f32);
  for (std::size_t i = 0; i < m * n; ++i)
    allowed_.push_back(accumulation * magnitude[i] + unit_roundoff(p.output()) * std::abs(expected_[i]));
}

GemmBuffers GemmProblemOnSimt::upload(simt::DeviceHeap& heap) const {
  const GemmProblem& p = problem_;
  GemmBuffers buffers;
  buffers.a = heap.upload(a_), buffers.b = heap.upload(b_);
  buffers.d =
      p.accumulates() ? heap.upload(d_) : heap.allocate(static_cast<std::size_t>(storage_bytes(p.output(), p.m * p.n)));
  if (has_tensor_scale(p.scaling)) {
    buffers.a_tensor_scale = heap.upload(std::vector<float>{a_tensor_scale_});
    buffers.b_tensor_scale = heap.upload(std::vector<float>{b_tensor_scale_});
  }
  if (has_block_scales(p.scaling)) {
    buffers.a_block_scales = heap.upload(a_block_scales_);
    buffers.b_block_scales = heap.upload(b_block_scales_);
  }
  return buffers;
}

std::string GemmProblemOnSimt::compare(const GemmBuffers& buffers) const {
  std::size_t wrong = 0;
  std::string first;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    const double got = load_element(problem_.output(), buffers.d, static_cast<std::int64_t>(i));
    if (!(std::abs(got - expected_[i]) <= allowed_[i]) && wrong++ == 0)
      first = simt::format("d[%zu][%zu] is %g, expected %g +- %g", i / static_cast<std::size_t>(problem_.n),
                           i % static_cast<std::size_t>(problem_.n), got, expected_[i], allowed_[i]);
  }
  if (wrong == 0) return {};
  return simt::format("%zu of %zu elements wrong, first ", wrong, expected_.size()) + first;
}

std::string describe(const GemmProblem& p) {
  return std::string(name(p.dtype)) + " " + name(p.scaling) + " " + name(p.layout) + " " + std::to_string(p.m) + "x" +
         std::to_string(p.n) + "x" + std::to_string(p.k) + (p.accumulate ? " + " : " ") + p.config;
}

}  // namespace assay
