// The kernels a training step is made of, found in the tables by what the step asks for.
#pragma once
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/train/setup.h"
#include "kernels/attention/attention.h"
#include "kernels/collectives/collectives.h"
#include "kernels/common/kernel.h"
#include "kernels/gemm/gemm.h"

namespace assay {

/// A way to compute the step: whose kernels.
struct StepKernels {
  std::string name;  // of the workload's kernel: "step_cpu", "cublaslt_step"
  Device device = Device::cpu;
  bool vendor = false;     // its products and its all-reduce are a library's
  std::string gemm;        // row of gemm_kernels()
  std::string attention;   // row of attention_kernels()
  std::string all_reduce;  // row of collective_kernels()
  std::vector<DType> dtypes = {DType::f32, DType::bf16};
  std::string attention_backward = {};  // where another row's; o and lse are the same whoever computes them

  const std::string& attention_of(AttentionPass pass) const {
    return pass == AttentionPass::backward && !attention_backward.empty() ? attention_backward : attention;
  }
};

/// Those this build has every part of, ours first.
const std::vector<StepKernels>& step_kernels();
/// Null where there is none of that name.
const StepKernels* find_step_kernels(const std::string& name);

/// Whether its products and its attention take every shape of the step, on one of that many ranks, and GPUs can sum its
/// gradients; what does not first, and why.
Support step_support(const StepKernels&, const TrainSetup&, int ranks, const Target&);

/// Attention of one layer on one of that many ranks: causal, its backward pass with the same bits every time.
AttentionProblem step_attention(const TrainSetup&, int ranks, AttentionPass);

/// The row of that name, or none.
template <class Row>
const Row* find_kernel_row(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

/// The first row of that device, ours, that takes the problem: the operations between products have no vendor's here.
template <class Row, class Problem>
const Row& own_kernel(const std::vector<Row>& rows, const Problem& problem, DType dtype, const Target& target,
                      const char* what) {
  std::string reasons;
  for (const Row& row : rows) {
    if (row.vendor || row.device != target.device) continue;
    bool takes = false;
    for (const DType one : row.dtypes) takes |= one == dtype;
    const Support support = takes ? row.supports(problem, target) : Support::no("has no " + std::string(name(dtype)));
    if (support.ok()) return row;
    reasons += "; " + row.name + ": " + support.reason;
  }
  throw Unsupported(std::string("no kernel of ours for ") + what + " on a " + name(target.device) + reasons);
}

/// The row that was asked for by name.
template <class Row, class Problem>
const Row& named_kernel(const std::vector<Row>& rows, const std::string& name, const Problem& problem,
                        const Target& target, const char* what) {
  const Row* row = find_kernel_row(rows, name);
  if (!row) throw std::logic_error("no kernel " + name + " in this table");
  if (const Support support = row->supports(problem, target); !support.ok())
    throw Unsupported(std::string(what) + " by " + name + ": " + support.reason);
  return *row;
}

}  // namespace assay
