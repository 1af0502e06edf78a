// The yardstick of CPU attention: matrix products by OpenBLAS, fp32, with our vectorised softmax between them.
//
//   forward:   s = q k^T;  p = softmax(s), in place;  o = p v, divided by the weights' sums
//   backward:  s^T = k q^T;  dp^T = v do^T;  p^T, ds^T in place;  dv += p^T do;  dk += ds^T q;  dq = ds k
//
// Of one head and a block of queries at a time, against all keys that some of them see: whole score matrices leave the
// caches.  Blocks go over the threads (backward: heads, since dk and dv are summed over queries), each calling OpenBLAS
// for itself, which then runs on one thread: 165 GFLOP/s forward on two Zen 4 cores, where OpenBLAS's own threads,
// waiting for each other in every product, reach 157.
#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "kernels/attention/cpu/flash.h"
#include "kernels/attention/cpu/kernels.h"
#include "kernels/attention/cpu/rows.h"
#include "kernels/attention/cpu/softmax.h"
#include "kernels/common/cpu/openmp_threads.h"

namespace assay {
namespace {

using cpu_flash::array;
using cpu_flash::ceil_div;
using cpu_flash::kColumns;
using cpu_flash::round_down;
using cpu_flash::round_up;

constexpr std::int64_t kQueries = 512;  // of a block; the fastest of 128 to 2048 at 2048 keys of width 128

/// Row-major matrices by their first element and the distance of their rows.
struct Matrix {
  const float* data;
  std::int64_t stride;
};

/// c [m, n] = a [m, k] b [k, n] + beta c; a transposed matrix is stored the other way round.
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, CBLAS_TRANSPOSE a_order, Matrix a,
              CBLAS_TRANSPOSE b_order, Matrix b, float beta, float* c, std::int64_t c_stride) {
  cblas_sgemm(CblasRowMajor, a_order, b_order, static_cast<blasint>(m), static_cast<blasint>(n),
              static_cast<blasint>(k), 1.0f, a.data, static_cast<blasint>(a.stride), b.data,
              static_cast<blasint>(b.stride), beta, c, static_cast<blasint>(c_stride));
}

/// A block of queries of one head, and the keys that some of them see.
struct Task {
  std::int64_t batch, head, first, rows;
  KeyRange keys;
};

struct Workspace {
  cpu::HugeArray<float> scores, products;
  std::vector<std::int64_t> begin, end;
  std::vector<float> max, sum, rescale, lse2, delta;
};

class OpenBlasUnfused final : public AttentionOperation {
 public:
  OpenBlasUnfused(const AttentionProblem& problem, int threads)
      : p_(problem), d_(problem.head_dim), d_v_(problem.value_dim()), threads_(std::max(threads, 1)) {
    softmax_ = cpu::softmax_for(cpu::PackFormat::f32);
    std::int64_t most_keys = 0;
    for (std::int64_t b = 0; b < p_.batch; ++b) most_keys = std::max(most_keys, p_.keys(b));
    // Of forward scores; a whole step of the softmax may be read beyond them.
    stride_ = round_up(most_keys, kColumns) + kColumns;
    workspaces_.resize(static_cast<std::size_t>(threads_));
    const bool backward = p_.pass == AttentionPass::backward;
    for (Workspace& w : workspaces_) {
      w.scores = array<float>(kQueries * stride_);
      if (backward) w.products = array<float>(kQueries * stride_);
      for (auto* bounds : {&w.begin, &w.end}) bounds->resize(static_cast<std::size_t>(std::max(kQueries, most_keys)));
      for (auto* row : {&w.max, &w.sum, &w.rescale, &w.lse2, &w.delta}) row->resize(kQueries);
    }
  }

  void launch(const AttentionBuffers& buffers, Stream) override {
    const OpenMpThreads one_each(1);  // inside a region of one thread, too, OpenBLAS would start its own
    if (p_.pass == AttentionPass::forward) return forward(buffers);
    const std::int64_t heads = p_.batch * p_.kv_heads;
#pragma omp parallel for num_threads(threads_) schedule(dynamic, 1)
    for (std::int64_t i = 0; i < heads; ++i)
      differentiate(buffers, i / p_.kv_heads, i % p_.kv_heads,
                    workspaces_[static_cast<std::size_t>(omp_get_thread_num())]);
  }

  std::string description() const override { return std::string("core type ") + openblas_get_corename(); }

 private:
  static const float* at(const void* array, std::int64_t index) { return static_cast<const float*>(array) + index; }
  static float* at(void* array, std::int64_t index) { return static_cast<float*>(array) + index; }
  float scale2() const { return static_cast<float>(p_.scale() * std::numbers::log2e); }

  std::vector<Task> tasks_of(std::int64_t b, std::int64_t h) const {
    std::vector<Task> tasks;
    for (std::int64_t first = 0; first < p_.queries(b); first += kQueries) {
      const std::int64_t rows = std::min(kQueries, p_.queries(b) - first);
      tasks.push_back({b, h, first, rows, {p_.visible_keys(b, first).begin, p_.visible_keys(b, first + rows - 1).end}});
    }
    return tasks;
  }

  void forward(const AttentionBuffers& buffers) {
    std::vector<Task> tasks;
    for (std::int64_t b = 0; b < p_.batch; ++b)
      for (std::int64_t h = 0; h < p_.heads; ++h)
        for (const Task& task : tasks_of(b, h)) tasks.push_back(task);
    std::stable_sort(tasks.begin(), tasks.end(),
                     [](const Task& x, const Task& y) { return x.rows * x.keys.size() > y.rows * y.keys.size(); });
#pragma omp parallel for num_threads(threads_) schedule(dynamic, 1)
    for (std::size_t i = 0; i < tasks.size(); ++i)
      attend(buffers, tasks[i], workspaces_[static_cast<std::size_t>(omp_get_thread_num())]);
  }

  void attend(const AttentionBuffers& buffers, const Task& t, Workspace& w) const {
    float* o = at(buffers.o, p_.o_index(t.batch, t.first, t.head));
    float* lse = buffers.lse + p_.lse_index(t.batch, t.head, t.first);
    const std::int64_t h_kv = t.head / p_.group(), keys = t.keys.size(), o_stride = p_.heads * d_v_;
    std::fill_n(w.max.begin(), t.rows, -std::numeric_limits<float>::infinity());
    std::fill_n(w.sum.begin(), t.rows, 0.0f);
    if (keys > 0) {
      multiply(t.rows, keys, d_, CblasNoTrans, q(buffers, t), CblasTrans, k(buffers, t.batch, h_kv, t.keys.begin), 0,
               w.scores.get(), stride_);
      for (std::int64_t r = 0; r < t.rows; ++r) {
        const KeyRange seen = p_.visible_keys(t.batch, t.first + r);
        w.begin[static_cast<std::size_t>(r)] = std::clamp<std::int64_t>(seen.begin - t.keys.begin, 0, keys);
        w.end[static_cast<std::size_t>(r)] = std::clamp<std::int64_t>(seen.end - t.keys.begin, 0, keys);
      }
      softmax_.weigh({t.rows, w.scores.get(), stride_, w.begin.data(), w.end.data(), 0, keys, scale2(), w.max.data(),
                      w.sum.data(), w.rescale.data()});
      multiply(t.rows, d_v_, keys, CblasNoTrans, {w.scores.get(), stride_}, CblasNoTrans,
               v(buffers, t.batch, h_kv, t.keys.begin), 0, o, o_stride);
    }
    for (std::int64_t r = 0; r < t.rows; ++r) {
      const auto i = static_cast<std::size_t>(r);
      const bool blind = p_.visible_keys(t.batch, t.first + r).size() == 0;
      if (blind) std::fill_n(o + r * o_stride, d_v_, 0.0f);  // where no key was seen at all, o holds anything
      w.rescale[i] = blind ? 0.0f : 1 / w.sum[i];
      lse[r] =
          blind ? -std::numeric_limits<float>::infinity() : w.max[i] * std::numbers::ln2_v<float> + std::log(w.sum[i]);
    }
    cpu::store_rows({t.rows, d_v_, o, o_stride, w.rescale.data(), 1, DType::f32, o, o_stride});
  }

  /// dk and dv of one head of keys and values, and dq of the query heads that read it.
  void differentiate(const AttentionBuffers& buffers, std::int64_t b, std::int64_t h_kv, Workspace& w) const {
    float* dk = at(buffers.dk, p_.k_index(b, 0, h_kv));
    float* dv = at(buffers.dv, p_.v_index(b, 0, h_kv));
    const std::int64_t k_stride = p_.kv_heads * d_, v_stride = p_.kv_heads * d_v_;
    for (std::int64_t j = 0; j < p_.keys(b); ++j) {
      std::fill_n(dk + j * k_stride, d_, 0.0f);
      std::fill_n(dv + j * v_stride, d_v_, 0.0f);
    }
    for (std::int64_t h = h_kv * p_.group(); h < (h_kv + 1) * p_.group(); ++h)
      for (const Task& task : tasks_of(b, h)) differentiate_block(buffers, task, w);
    const auto scale = static_cast<float>(p_.scale());
    cpu::store_rows({p_.keys(b), d_, dk, k_stride, nullptr, scale, DType::f32, dk, k_stride});
  }

  void differentiate_block(const AttentionBuffers& buffers, const Task& t, Workspace& w) const {
    const std::int64_t h_kv = t.head / p_.group(), keys = t.keys.size(), q_stride = p_.heads * d_;
    const std::int64_t stride = kQueries, from = t.keys.begin;
    float* dq = at(buffers.dq, p_.q_index(t.batch, t.first, t.head));
    for (std::int64_t r = 0; r < t.rows; ++r) std::fill_n(dq + r * q_stride, d_, 0.0f);
    if (keys == 0) return;
    const Matrix k = this->k(buffers, t.batch, h_kv, from), v = this->v(buffers, t.batch, h_kv, from);
    const Matrix q = this->q(buffers, t);
    const Matrix d_o{at(buffers.d_o, p_.o_index(t.batch, t.first, t.head)), p_.heads * d_v_};
    multiply(keys, t.rows, d_, CblasNoTrans, k, CblasTrans, q, 0, w.scores.get(), stride);
    multiply(keys, t.rows, d_v_, CblasNoTrans, v, CblasTrans, d_o, 0, w.products.get(), stride);
    differentiate_scores(buffers, t, w);
    const Matrix p{w.scores.get(), stride}, ds{w.products.get(), stride};
    multiply(keys, d_v_, t.rows, CblasNoTrans, p, CblasNoTrans, d_o, 1, at(buffers.dv, p_.v_index(t.batch, from, h_kv)),
             v.stride);
    multiply(keys, d_, t.rows, CblasNoTrans, ds, CblasNoTrans, q, 1, at(buffers.dk, p_.k_index(t.batch, from, h_kv)),
             k.stride);
    multiply(t.rows, d_, keys, CblasTrans, ds, CblasNoTrans, k, 0, dq, q_stride);
    cpu::store_rows({t.rows, d_, dq, q_stride, nullptr, static_cast<float>(p_.scale()), DType::f32, dq, q_stride});
  }

  void differentiate_scores(const AttentionBuffers& buffers, const Task& t, Workspace& w) const {
    const std::int64_t o_index = p_.o_index(t.batch, t.first, t.head);
    const float* lse = buffers.lse + p_.lse_index(t.batch, t.head, t.first);
    constexpr float kNone = std::numeric_limits<float>::infinity();  // minus it, every score has p = 0
    std::fill(w.lse2.begin(), w.lse2.end(), kNone);
    for (std::int64_t r = 0; r < t.rows; ++r)
      if (lse[r] != -kNone) w.lse2[static_cast<std::size_t>(r)] = lse[r] * std::numbers::log2e_v<float>;
    cpu::dot_rows(
        {t.rows, d_v_, DType::f32, at(buffers.o, o_index), at(buffers.d_o, o_index), p_.heads * d_v_, w.delta.data()});
    for (std::int64_t j = 0; j < t.keys.size(); ++j) {
      const KeyRange seeing = p_.seeing_queries(t.batch, t.keys.begin + j);
      w.begin[static_cast<std::size_t>(j)] = std::clamp<std::int64_t>(seeing.begin - t.first, 0, t.rows);
      w.end[static_cast<std::size_t>(j)] = std::clamp<std::int64_t>(seeing.end - t.first, 0, t.rows);
    }
    cpu::GradientBlock block;
    block.rows = t.keys.size();
    block.scores = w.scores.get();
    block.products = w.products.get();
    block.stride = kQueries;
    block.begin = w.begin.data();
    block.end = w.end.data();
    block.last = round_up(t.rows, kColumns);
    block.scale = scale2();
    block.lse2 = w.lse2.data();
    block.delta = w.delta.data();
    softmax_.gradients(block);
  }

  Matrix q(const AttentionBuffers& buffers, const Task& t) const {
    return {at(buffers.q, p_.q_index(t.batch, t.first, t.head)), p_.heads * d_};
  }
  Matrix k(const AttentionBuffers& buffers, std::int64_t b, std::int64_t h_kv, std::int64_t j) const {
    return {at(buffers.k, p_.k_index(b, j, h_kv)), p_.kv_heads * d_};
  }
  Matrix v(const AttentionBuffers& buffers, std::int64_t b, std::int64_t h_kv, std::int64_t j) const {
    return {at(buffers.v, p_.v_index(b, j, h_kv)), p_.kv_heads * d_v_};
  }

  AttentionProblem p_;
  std::int64_t d_, d_v_;
  int threads_;
  cpu::Softmax softmax_;
  std::int64_t stride_ = 0;  // of forward scores
  std::vector<Workspace> workspaces_;
};

Support supports(const AttentionProblem& p, const Target& target) {
  if (const Support flash = cpu_flash::supports(p, target); !flash.ok()) return flash;
  const std::int64_t widest = std::max({p.heads * p.head_dim, p.heads * p.value_dim(), p.seq_kv + 2 * kColumns});
  if (widest > std::numeric_limits<blasint>::max())
    return Support::no("OpenBLAS counts rows and columns in " + std::to_string(8 * sizeof(blasint)) + " bits");
  return Support::yes();
}

}  // namespace

AttentionKernel openblas_unfused_attention() {
  AttentionKernel kernel;
  kernel.name = "openblas_unfused";
  kernel.vendor = true;
  kernel.dtypes = {DType::f32};
  kernel.supports = supports;
  kernel.prepare = [](const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>&,
                      Stream) { return std::make_unique<OpenBlasUnfused>(problem, target.threads); };
  return kernel;
}

}  // namespace assay
