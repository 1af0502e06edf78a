#include "harness/workloads/attention.h"

#include <algorithm>

#include <fmt/format.h>

#include "harness/verify/fill.h"
#include "harness/verify/sampling.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

enum Tensor : std::uint64_t { kQ = 1, kK = 2, kV = 3 };

AttentionProblem problem_of(const Case& point) {
  AttentionProblem problem;
  problem.batch = point.number("batch");
  problem.heads = point.number("heads");
  problem.kv_heads = point.number("kv_heads");
  problem.seq_q = point.number("seq_q");
  problem.seq_kv = point.number("seq_kv");
  problem.head_dim = point.number("head_dim");
  problem.causal = point.word("mask") == "causal";
  problem.dtype = point.dtype;
  return problem;
}

struct Elements {
  std::int64_t q, kv, lse;  // o has as many as q
};

Elements elements_of(const AttentionProblem& p) {
  return {p.batch * p.seq_q * p.heads * p.head_dim, p.batch * p.seq_kv * p.kv_heads * p.head_dim,
          p.batch * p.heads * p.seq_q};
}

std::string validate(const Case& point) {
  const std::int64_t heads = point.number("heads"), kv_heads = point.number("kv_heads");
  if (heads % kv_heads != 0)
    return fmt::format(
        "heads={} is not a multiple of kv_heads={}; each key-value head serves heads / kv_heads query heads", heads,
        kv_heads);
  const double batch = double(point.number("batch")), d = double(point.number("head_dim"));
  const double q = double(point.number("seq_q")), kv = double(point.number("seq_kv"));
  constexpr double kLimit = 0x1p62;
  if (4 * batch * double(heads) * d * q * kv >= kLimit || 4 * batch * double(heads) * d * std::max(q, kv) >= kLimit)
    return "more work than 64 bits count; make batch, heads, seq_q, seq_kv or head_dim smaller";
  return {};
}

std::size_t set_bytes(const Case& point) {
  const AttentionProblem problem = problem_of(point);
  const Elements elements = elements_of(problem);
  const std::size_t size = size_bytes(problem.dtype);
  return 2 * RotatedBuffer::stride_for(std::size_t(elements.q) * size) +
         2 * RotatedBuffer::stride_for(std::size_t(elements.kv) * size) +
         RotatedBuffer::stride_for(std::size_t(elements.lse) * sizeof(float));
}

Work work_of(const Case& point, int /*ranks*/) {
  const AttentionProblem problem = problem_of(point);
  const Elements elements = elements_of(problem);
  Work work;
  work.flops =
      4.0 * double(problem.batch) * double(problem.heads) * double(problem.head_dim) * double(problem.visible_pairs());
  work.bytes =
      double(2 * elements.q + 2 * elements.kv) * double(size_bytes(problem.dtype)) + 4.0 * double(elements.lse);
  work.convention =
      "flops = 4 batch heads head_dim (visible query-key pairs), masked pairs and softmax not counted; "
      "bytes = q + k + v + o + lse";
  return work;
}

class AttentionWorkload final : public SingleDeviceWorkload<AttentionProblem, AttentionBuffers> {
 public:
  AttentionWorkload(const Case& point, const WorkloadContext& context, const AttentionKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, problem_of(point), set_bytes(point)),
        elements_(elements_of(problem_)),
        size_(size_bytes(problem_.dtype)),
        q_(backend_, std::size_t(elements_.q) * size_, sets_),
        k_(backend_, std::size_t(elements_.kv) * size_, sets_),
        v_(backend_, std::size_t(elements_.kv) * size_, sets_),
        o_(backend_, std::size_t(elements_.q) * size_, sets_),
        lse_(backend_, std::size_t(elements_.lse) * sizeof(float), sets_),
        host_q_(q_.bytes()),
        host_k_(k_.bytes()),
        host_v_(v_.bytes()) {
    const int threads = available_threads();
    fill_array(problem_.dtype, host_q_.data(), elements_.q, point.data, point.seed, kQ, threads);
    fill_array(problem_.dtype, host_k_.data(), elements_.kv, point.data, point.seed, kK, threads);
    fill_array(problem_.dtype, host_v_.data(), elements_.kv, point.data, point.seed, kV, threads);
    q_.copy_in(host_q_.data());
    k_.copy_in(host_k_.data());
    v_.copy_in(host_v_.data());
    for (int set = 0; set < sets_; ++set)
      buffers_.push_back({q_.data(set), k_.data(set), v_.data(set), o_.data(set), static_cast<float*>(lse_.data(set))});
    prepare(kernel);
    o_.fill(0xff);
    lse_.fill(0xff);
  }

  Work work() const override { return work_of(point_, 1); }

  Check check(const std::vector<std::int64_t>& launches) override {
    // One sampled row: query `column` of batch and head `row`; two dot products of head_dim per key.
    const double cost = 2.0 * double(problem_.seq_kv) * double(problem_.head_dim);
    const auto rows = sampled_elements(problem_.batch * problem_.heads, problem_.seq_q, cost, point_.seed);
    std::vector<AttentionRow> references(rows.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(available_threads())
    for (std::size_t r = 0; r < rows.size(); ++r)
      references[r] = attention_reference(problem_, host_q_.data(), host_k_.data(), host_v_.data(),
                                          rows[r].row / problem_.heads, rows[r].row % problem_.heads, rows[r].column);
    Check check;
    for (int set = 0; set < sets_; ++set)
      if (launches[std::size_t(set)] > 0) compare_set(check, set, rows, references);
    return check;
  }

 private:
  void compare_set(Check& check, int set, const std::vector<Element>& rows,
                   const std::vector<AttentionRow>& references) const {
    std::vector<std::byte> o(o_.bytes());
    std::vector<float> lse(std::size_t(elements_.lse));
    o_.copy_out(set, o.data());
    lse_.copy_out(set, lse.data());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::int64_t b = rows[r].row / problem_.heads, h = rows[r].row % problem_.heads, i = rows[r].column;
      const AttentionRow& reference = references[r];
      for (std::int64_t c = 0; c < problem_.head_dim; ++c)
        check.compare(load_element(problem_.dtype, o.data(), problem_.q_index(b, i, h) + c),
                      reference.o[std::size_t(c)], reference.allowed[std::size_t(c)],
                      [&] { return fmt::format("o[batch {}, query {}, head {}, {}] of set {}", b, i, h, c, set); });
      check.compare(lse[std::size_t((b * problem_.heads + h) * problem_.seq_q + i)], reference.lse,
                    reference.lse_allowed,
                    [&] { return fmt::format("lse[batch {}, head {}, query {}] of set {}", b, h, i, set); });
    }
    check.include_digest(o.data(), o.size());
    if (!o_.guards_intact(set)) check.fail_outside(fmt::format("memory after o of set {} was overwritten", set));
    if (!lse_.guards_intact(set)) check.fail_outside(fmt::format("memory after lse of set {} was overwritten", set));
  }

  Elements elements_;
  std::size_t size_;
  RotatedBuffer q_, k_, v_, o_, lse_;
  std::vector<std::byte> host_q_, host_k_, host_v_;
};

}  // namespace

WorkloadKind attention_workload(const std::vector<AttentionKernel>& kernels) {
  const auto count = [](std::string name, std::string meaning) {
    return AxisSpec{std::move(name), std::move(meaning), {}, 1, std::int64_t(1) << 40, std::nullopt};
  };
  WorkloadKind kind;
  kind.name = "attention";
  kind.meaning = "scaled-dot-product attention, forward; the causal mask is bottom-right aligned";
  kind.axes = {
      {"mask",
       "causal: query i sees key j iff j <= i + seq_kv - seq_q; full: every key",
       {"causal", "full"},
       0,
       0,
       AxisValue("causal")},
      count("batch", "sequences"),
      count("heads", "query heads"),
      count("kv_heads", "key-value heads; divides heads"),
      count("seq_q", "queries a sequence"),
      count("seq_kv", "keys a sequence"),
      count("head_dim", "elements of a head"),
  };
  kind.validate = validate;
  kind.set_bytes = set_bytes;
  kind.work = work_of;
  use_kernels<AttentionWorkload>(kind, kernels, problem_of);
  return kind;
}

}  // namespace assay
