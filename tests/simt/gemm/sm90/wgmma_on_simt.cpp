#include "tests/simt/gemm/sm90/wgmma_on_simt.h"

#include <cmath>
#include <cstring>
#include <random>

#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

std::vector<double> random_values(DType dtype, std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& v : values) v = round_to(dtype, normal(generator));
  return values;
}

/// Values given as [rows, columns], stored that way or transposed.
void* upload(simt::DeviceHeap& heap, DType dtype, const std::vector<double>& values, std::int64_t rows,
             std::int64_t columns, bool transposed) {
  void* array = heap.allocate(values.size() * size_bytes(dtype));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      store_element(dtype, array, transposed ? j * rows + i : i * columns + j,
                    values[static_cast<std::size_t>(i * columns + j)]);
  return array;
}

}  // namespace

WgmmaSm90OnSimt::WgmmaSm90OnSimt(const GemmProblem& p, int multiprocessors)
    : problem_(p),
      target_(small_hopper(multiprocessors)),
      choice_(choose_wgmma_sm90(p, target_)),
      a_(random_values(p.dtype, p.m * p.k, 1)),
      b_(random_values(p.dtype, p.n * p.k, 2)) {
  if (p.accumulates()) before_ = random_values(p.output(), p.m * p.n, 3);
  const double accumulation = 2 * std::sqrt(static_cast<double>(p.k)) * unit_roundoff(DType::f32);
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      const double *a = &a_[static_cast<std::size_t>(i * p.k)], *b = &b_[static_cast<std::size_t>(j * p.k)];
      double value = before_.empty() ? 0 : before_[static_cast<std::size_t>(i * p.n + j)], magnitude = std::abs(value);
      for (std::int64_t q = 0; q < p.k; ++q) value += a[q] * b[q], magnitude += std::abs(a[q] * b[q]);
      expected_.push_back(value);
      allowed_.push_back(accumulation * magnitude + unit_roundoff(p.output()) * std::abs(value));
    }
}

void WgmmaSm90OnSimt::use(const WgmmaSm90Config& config) {
  problem_.config = assay::name(config, problem_.dtype);
  choice_ = choose_wgmma_sm90(problem_, target_);
}

std::string WgmmaSm90OnSimt::describe() const {
  return std::string(assay::name(problem_.dtype)) + " " + assay::name(problem_.layout) +
         (problem_.accumulate ? " accumulating " : " ") + std::to_string(problem_.m) + "x" +
         std::to_string(problem_.n) + "x" + std::to_string(problem_.k) + " by " +
         assay::name(choice_.config, problem_.dtype) + " on " + std::to_string(target_.multiprocessors);
}

std::string WgmmaSm90OnSimt::compare(const void* d) const {
  std::size_t wrong = 0;
  std::string first;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    const double got = load_element(problem_.output(), d, static_cast<std::int64_t>(i));
    if (!(std::abs(got - expected_[i]) <= allowed_[i]) && wrong++ == 0)
      first = simt::format("d[%zu][%zu] is %g, expected %g +- %g", i / static_cast<std::size_t>(problem_.n),
                           i % static_cast<std::size_t>(problem_.n), got, expected_[i], allowed_[i]);
  }
  if (wrong == 0) return {};
  return simt::format("%zu of %zu elements wrong, first ", wrong, expected_.size()) + first;
}

std::string WgmmaSm90OnSimt::run(const simt::ptx::Module& module, simt::Options options) {
  const GemmProblem& p = problem_;
  simt::DeviceHeap heap;
  options.heap = &heap;
  GemmBuffers buffers;
  buffers.a = upload(heap, p.dtype, a_, p.m, p.k, !p.a_is_k_major());
  buffers.b = upload(heap, p.dtype, b_, p.n, p.k, !p.b_is_k_major());
  buffers.d = before_.empty() ? heap.allocate(static_cast<std::size_t>(p.m * p.n) * size_bytes(p.output()))
                              : upload(heap, p.output(), before_, p.m, p.n, false);
  const WgmmaSm90WorkspaceBytes bytes = workspace_of(choice_);
  WgmmaSm90Workspace workspace;
  if (bytes.arrived) {
    workspace.partial_sums = static_cast<float*>(heap.allocate(bytes.partial_sums));
    workspace.arrived = static_cast<unsigned*>(heap.allocate(bytes.arrived));
    std::memset(workspace.arrived, 0, bytes.arrived);
  }
  const auto plan = plan_wgmma_sm90(p, buffers, target_, workspace, encode_tensor_map);
  stats_ = simt::launch(module.kernel(plan.kernel), plan, options);
  for (std::size_t i = 0; i < bytes.arrived / sizeof(unsigned); ++i)
    if (workspace.arrived[i]) return "wrong result: counter " + std::to_string(i) + " is not zero after the launch";
  return compare(buffers.d);
}

}  // namespace assay
