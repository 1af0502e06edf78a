#include "tests/simt/grouped_gemm/grouped_on_simt.h"

#include <cmath>
#include <random>

#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

std::vector<double> random_values(DType dtype, std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(at(count));
  for (double& v : values) v = round_to(dtype, normal(generator));
  return values;
}

void* upload(simt::DeviceHeap& heap, DType dtype, const std::vector<double>& values) {
  void* array = heap.allocate(values.size() * size_bytes(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) store_element(dtype, array, static_cast<std::int64_t>(i), values[i]);
  return array;
}

/// A dot product with what its error is measured against.
struct Sum {
  double value = 0, magnitude = 0;
  void add(double term) { value += term, magnitude += std::abs(term); }
};

double allowed_error(const Sum& sum, std::int64_t length, DType output) {
  return 2 * std::sqrt(static_cast<double>(length)) * unit_roundoff(DType::f32) * sum.magnitude +
         unit_roundoff(output) * std::abs(sum.value);
}

}  // namespace

GroupedOnSimt::GroupedOnSimt(const GroupedGemmProblem& p, int multiprocessors)
    : problem_(p),
      target_(small_hopper(multiprocessors)),
      first_rows_(p.first_rows()),
      x_(random_values(p.dtype, first_rows_.back() * p.k, 1)),
      dy_(random_values(p.dtype, first_rows_.back() * p.n, 2)),
      w_(random_values(p.dtype, p.weight_elements(), 3)) {
  for (int g = 0; g < p.groups(); ++g)
    for (std::int64_t t = first_rows_[at(g)] + p.rows[at(g)]; t < first_rows_[at(g + 1)]; ++t) {
      std::fill_n(&x_[at(t * p.k)], p.k, 0.0);
      std::fill_n(&dy_[at(t * p.n)], p.n, 0.0);
    }
  if (p.pass == GroupedPass::wgrad)
    expect_weights();
  else
    expect_tokens();
}

void GroupedOnSimt::expect_tokens() {
  const GroupedGemmProblem& p = problem_;
  const bool forward = p.pass == GroupedPass::forward;
  const std::int64_t columns = forward ? p.n : p.k, length = forward ? p.k : p.n;
  for (int g = 0; g < p.groups(); ++g)
    for (std::int64_t t = first_rows_[at(g)]; t < first_rows_[at(g)] + p.rows[at(g)]; ++t)
      for (std::int64_t c = 0; c < columns; ++c) {
        Sum sum;
        for (std::int64_t q = 0; q < length; ++q)
          sum.add(forward ? x_[at(t * p.k + q)] * w_[at((g * p.n + c) * p.k + q)]
                          : dy_[at(t * p.n + q)] * w_[at((g * p.n + q) * p.k + c)]);
        expected_.push_back({t * columns + c, sum.value, allowed_error(sum, length, p.output())});
      }
}

void GroupedOnSimt::expect_weights() {
  const GroupedGemmProblem& p = problem_;
  before_ = random_values(DType::f32, p.weight_elements(), 4);
  for (int g = 0; g < p.groups(); ++g)
    for (std::int64_t i = 0; i < p.n; ++i)
      for (std::int64_t j = 0; j < p.k; ++j) {
        const std::int64_t index = (g * p.n + i) * p.k + j, rows = p.rows[at(g)];
        Sum sum;
        sum.add(before_[at(index)]);
        for (std::int64_t t = first_rows_[at(g)]; t < first_rows_[at(g)] + rows; ++t)
          sum.add(dy_[at(t * p.n + i)] * x_[at(t * p.k + j)]);
        expected_.push_back({index, sum.value, rows ? allowed_error(sum, rows, DType::f32) : 0});
      }
}

std::string GroupedOnSimt::describe() const {
  std::string text = std::string(name(problem_.dtype)) + " " + name(problem_.pass) + " rows";
  for (const std::int64_t rows : problem_.rows) text.append(" ").append(std::to_string(rows));
  return text + ", n " + std::to_string(problem_.n) + ", k " + std::to_string(problem_.k) + " by " +
         name(choose_wgmma_grouped(problem_, target_).config) + " on " + std::to_string(target_.multiprocessors);
}

std::string GroupedOnSimt::compare(const void* d) const {
  std::size_t wrong = 0;
  std::string first;
  const std::int64_t columns = problem_.pass == GroupedPass::forward ? problem_.n : problem_.k;
  for (const Expected& e : expected_) {
    const double got = load_element(problem_.output(), d, e.index);
    if (!(std::abs(got - e.value) <= e.allowed) && wrong++ == 0)
      first = simt::format("d[%lld][%lld] is %g, expected %g +- %g", static_cast<long long>(e.index / columns),
                           static_cast<long long>(e.index % columns), got, e.value, e.allowed);
  }
  if (wrong == 0) return {};
  return simt::format("%zu of %zu elements wrong, first ", wrong, expected_.size()) + first;
}

std::string GroupedOnSimt::run(const simt::ptx::Module& module, simt::Options options) {
  const GroupedGemmProblem& p = problem_;
  simt::DeviceHeap heap;
  options.heap = &heap;
  const bool forward = p.pass == GroupedPass::forward, wgrad = p.pass == GroupedPass::wgrad;
  GroupedGemmBuffers buffers;
  buffers.a = upload(heap, p.dtype, forward ? x_ : dy_);
  buffers.b = upload(heap, p.dtype, wgrad ? x_ : w_);
  const std::int64_t tokens = first_rows_.back();
  buffers.d = wgrad ? upload(heap, DType::f32, before_)
                    : heap.allocate(at(tokens * (forward ? p.n : p.k)) * size_bytes(p.output()));
  auto* rows = static_cast<std::int32_t*>(heap.allocate(p.rows.size() * sizeof(std::int32_t)));
  std::copy(p.rows.begin(), p.rows.end(), rows);
  buffers.rows = rows;
  const auto launch = [&](const auto& plan) {
    kernel_ = plan.kernel;
    stats_ = simt::launch(module.kernel(plan.kernel), plan, options);
  };
  if (wgrad)
    launch(plan_wgmma_k_grouped(p, buffers, target_, encode_tensor_map));
  else
    launch(plan_wgmma_m_grouped(p, buffers, target_, encode_tensor_map));
  return compare(buffers.d);
}

}  // namespace assay
