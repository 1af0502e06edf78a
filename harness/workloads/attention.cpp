#include "harness/workloads/attention.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "harness/verify/sampling.h"
#include "harness/workloads/attention_problem.h"
#include "harness/workloads/attention_tensors.h"
#include "harness/workloads/kernel_rows.h"

namespace assay {
namespace {

std::size_t set_bytes(const Case& point) { return AttentionTensors::set_bytes(attention_problem(point)); }

/// A row of q (of a query head) or of k (of a key-value head) that is compared with the reference.
struct Row {
  std::int64_t batch = 0, head = 0, at = 0;
};

template <class Reference>
auto all_references(const std::vector<Row>& rows, const Reference& reference) {
  std::vector<decltype(reference(rows[0]))> references(rows.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(available_threads())
  for (std::size_t r = 0; r < rows.size(); ++r) references[r] = reference(rows[r]);
  return references;
}

class AttentionWorkload final : public SingleDeviceWorkload<AttentionProblem, AttentionBuffers> {
 public:
  AttentionWorkload(const Case& point, const WorkloadContext& context, const AttentionKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, attention_problem(point), set_bytes(point)),
        tensors_(backend_, point, problem_, sets_) {
    if (kernel.accumulation) accumulation_ = kernel.accumulation(problem_, backend_.target());
    for (int set = 0; set < sets_; ++set) buffers_.push_back(tensors_.device(set));
    if (backward()) run_forward(kernel);
    prepare(kernel);
    tensors_.poison_outputs();  // after preparation, which may have tuned on these buffers
  }

  Work work() const override { return attention_work(point_); }

  std::vector<OutputTensor> outputs() const override {
    if (backward() && !problem_.deterministic) return {};
    std::vector<OutputTensor> out;
    for (const auto& one : tensors_.outputs()) {
      const DType dtype = std::string_view(one.name) == "lse" ? DType::f32 : problem_.out_dtype();
      out.push_back({one.name, one.buffer, std::size_t(storage_bytes(dtype, 1)), {}});
    }
    return out;
  }

  Check check(const std::vector<std::int64_t>& launches) override {
    // Of a forward row: two dot products a key.  Of a backward row: three a pair.
    const double q_cost = (backward() ? 3.0 : 2.0) * double(problem_.seq_kv) * double(problem_.head_dim);
    const double kv_cost = 4.0 * double(problem_.group()) * double(problem_.seq_q) * double(problem_.head_dim);
    const std::vector<Row> queries = sampled_rows_of(problem_.heads, problem_.seq_q, q_cost, true);
    Check check;
    if (!backward()) {
      const auto references = all_references(queries, [&](const Row& row) { return forward_reference(row); });
      for_each_launched_set(launches, [&](int set) { compare_forward(check, set, queries, references); });
      return check;
    }
    compare_forward(check, 0, queries,  // what the gradients were taken of
                    all_references(queries, [&](const Row& row) { return forward_reference(row); }));
    const std::vector<Row> keys = sampled_rows_of(problem_.kv_heads, problem_.seq_kv, kv_cost, false);
    const AttentionBuffers host = tensors_.host();
    const auto dq = all_references(
        queries, [&](const Row& row) { return attention_reference_dq(problem_, host, row.batch, row.head, row.at); });
    const auto dkv = all_references(
        keys, [&](const Row& row) { return attention_reference_dkv(problem_, host, row.batch, row.head, row.at); });
    for_each_launched_set(launches, [&](int set) { compare_backward(check, set, queries, dq, keys, dkv); });
    if (problem_.deterministic) compare_bits(check, launches);
    return check;
  }

 private:
  bool backward() const { return problem_.pass == AttentionPass::backward; }

  /// Every launched set had the same inputs; set 0 is launched once more, for where it is the only one.
  void compare_bits(Check& check, const std::vector<std::int64_t>& launches) {
    for (const auto& output : tensors_.outputs()) {
      const auto first = tensors_.copy_out(*output.buffer, 0);
      for_each_launched_set(launches, [&](int set) {
        if (launches[0] > 0 && tensors_.copy_out(*output.buffer, set) != first)
          check.fail_outside(fmt::format("{} of set {} has other bits than set 0's, and was asked to be deterministic",
                                         output.name, set));
      });
      launch(0);
      backend_.synchronize();
      if (launches[0] > 0 && tensors_.copy_out(*output.buffer, 0) != first)
        check.fail_outside(
            fmt::format("{} changed its bits from launch to launch, and was asked to be deterministic", output.name));
    }
  }

  AttentionRow forward_reference(const Row& row) const {
    return attention_reference(problem_, tensors_.host(), row.batch, row.head, row.at, accumulation_);
  }

  /// o and lse are what this kernel's own forward pass makes of the inputs, as in training; the check covers them too.
  void run_forward(const AttentionKernel& kernel) {
    AttentionProblem problem = problem_;
    problem.pass = AttentionPass::forward;
    problem.deterministic = false;
    if (const Support forward = kernel.supports(problem, backend_.target()); !forward.ok())
      throw Unsupported("the forward pass that makes o and lse: " + forward.reason);
    const auto operation = kernel.prepare(problem, backend_.target(), buffers_, backend_.stream());
    operation->launch(buffers_[0], backend_.stream());
    backend_.synchronize();
    tensors_.keep_forward();
  }

  /// Rows of `heads` heads and sequences of up to `longest`, without those that a shorter sequence does not have.
  std::vector<Row> sampled_rows_of(std::int64_t heads, std::int64_t longest, double cost, bool of_queries) const {
    std::vector<Row> rows;
    for (const Element& e : sampled_elements(problem_.batch * heads, longest, cost, point_.seed)) {
      const Row row{e.row / heads, e.row % heads, e.column};
      if (row.at < (of_queries ? problem_.queries(row.batch) : problem_.keys(row.batch))) rows.push_back(row);
    }
    return rows;
  }

  template <class Compare>
  void for_each_launched_set(const std::vector<std::int64_t>& launches, const Compare& compare) const {
    for (int set = 0; set < sets_; ++set)
      if (launches[std::size_t(set)] > 0) compare(set);
  }

  void compare_forward(Check& check, int set, const std::vector<Row>& rows,
                       const std::vector<AttentionRow>& references) const {
    const auto o = tensors_.copy_out(tensors_.o(), set), lse = tensors_.copy_out(tensors_.lse(), set);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto [b, h, i] = rows[r];
      compare_row(check, "o", "query", set, rows[r], o, problem_.o_index(b, i, h), references[r].o,
                  references[r].allowed);
      check.compare(load_element(DType::f32, lse.data(), problem_.lse_index(b, h, i)), references[r].lse,
                    references[r].lse_allowed, [&, b = b, h = h, i = i] {
                      return fmt::format("lse[batch {}, head {}, query {}] of set {}", b, h, i, set);
                    });
    }
    finish_set(check, set, {{"o", &tensors_.o()}, {"lse", &tensors_.lse()}}, o);
  }

  void compare_backward(Check& check, int set, const std::vector<Row>& queries, const std::vector<AllowedRow>& dq,
                        const std::vector<Row>& keys, const std::vector<AttentionKeyGradients>& dkv) const {
    const auto got_dq = tensors_.copy_out(tensors_.dq(), set), got_dk = tensors_.copy_out(tensors_.dk(), set),
               got_dv = tensors_.copy_out(tensors_.dv(), set);
    for (std::size_t r = 0; r < queries.size(); ++r) {
      const auto& [b, h, i] = queries[r];
      compare_row(check, "dq", "query", set, queries[r], got_dq, problem_.q_index(b, i, h), dq[r].value, dq[r].allowed);
    }
    for (std::size_t r = 0; r < keys.size(); ++r) {
      const auto& [b, h, j] = keys[r];
      compare_row(check, "dk", "key", set, keys[r], got_dk, problem_.k_index(b, j, h), dkv[r].dk.value,
                  dkv[r].dk.allowed);
      compare_row(check, "dv", "key", set, keys[r], got_dv, problem_.v_index(b, j, h), dkv[r].dv.value,
                  dkv[r].dv.allowed);
    }
    check.include_digest(got_dk.data(), got_dk.size());
    check.include_digest(got_dv.data(), got_dv.size());
    finish_set(check, set, tensors_.outputs(), got_dq);
  }

  void compare_row(Check& check, const char* tensor, const char* what, int set, const Row& row,
                   const std::vector<std::byte>& got, std::int64_t index, const std::vector<double>& expected,
                   const std::vector<double>& allowed) const {
    // All but o have the problem's type, which is o's wherever there are gradients.
    for (std::size_t c = 0; c < expected.size(); ++c)
      check.compare(load_element(problem_.out_dtype(), got.data(), index + std::int64_t(c)), expected[c], allowed[c],
                    [&] {
                      return fmt::format("{}[batch {}, {} {}, head {}, {}] of set {}", tensor, row.batch, what, row.at,
                                         row.head, c, set);
                    });
  }

  void finish_set(Check& check, int set, const std::vector<AttentionTensors::Output>& outputs,
                  const std::vector<std::byte>& digested) const {
    check.include_digest(digested.data(), digested.size());
    for (const auto& output : outputs)
      if (!output.buffer->guards_intact(set))
        check.fail_outside(fmt::format("memory after {} of set {} was overwritten", output.name, set));
  }

  AttentionTensors tensors_;
  Accumulation accumulation_;  // the kernel's
};

AxisSpec count_axis(std::string name, std::string meaning) {
  return AxisSpec{std::move(name), std::move(meaning), {}, 1, std::int64_t(1) << 40, std::nullopt};
}

AxisSpec optional_words(std::string name, std::string meaning, std::vector<std::string> words) {
  AxisSpec axis{std::move(name), std::move(meaning), words, 0, 0, AxisValue(words.front())};
  axis.optional = true;
  return axis;
}

AxisSpec optional_count(std::string name, std::string meaning) {
  AxisSpec axis{std::move(name), std::move(meaning), {}, 0, std::int64_t(1) << 40, AxisValue(std::int64_t(0))};
  axis.optional = true;
  return axis;
}

}  // namespace

WorkloadKind attention_workload(const std::vector<AttentionKernel>& kernels) {
  WorkloadKind kind;
  kind.name = "attention";
  kind.meaning = "scaled-dot-product attention, forward and backward; the causal mask is bottom-right aligned";
  kind.axes = {
      optional_words("pass", "forward; backward: dq, dk and dv from what the kernel's own forward pass left",
                     {"forward", "backward"}),
      {"mask",
       "causal: query i sees key j iff j <= i + seq_kv - seq_q; full: every key",
       {"causal", "full"},
       0,
       0,
       AxisValue("causal")},
      count_axis("batch", "sequences"),
      count_axis("heads", "query heads"),
      count_axis("kv_heads", "key-value heads; divides heads"),
      count_axis("seq_q", "queries a sequence"),
      count_axis("seq_kv", "keys a sequence"),
      count_axis("head_dim", "elements of a query's and a key's head"),
      optional_count("head_dim_v", "elements of a value's head; 0: head_dim"),
      optional_count("window", "keys a query sees at most, the last of them its own position's (causal); 0: all"),
      optional_words("lengths",
                     "equal: seq_q and seq_kv; packed without padding: uneven (a quarter to all of them), gappy (and "
                     "every fifth and the last empty)",
                     {"equal", "uneven", "gappy"}),
      optional_words("gradients", "backward: fast, or deterministic (the same bits every time)",
                     {"fast", "deterministic"}),
  };
  kind.validate = validate_attention;
  kind.set_bytes = set_bytes;
  kind.work = [](const Case& point, int) { return attention_work(point); };
  use_kernels<AttentionWorkload>(kind, kernels, attention_problem);
  return kind;
}

}  // namespace assay
