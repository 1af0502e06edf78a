#include "harness/train/kernels.h"

#include <algorithm>

namespace assay {
namespace {

// Each is a way to compute the whole step.  A build lacks some of their parts.  On a GPU it is bf16 on tensor cores, or
// f32 without them, where attention is ours beside either's products: cuDNN has none in f32.
const StepKernels kAll[] = {
    {"step_cpu", Device::cpu, false, "cpu_blocked", "cpu_flash", "shm_ring"},
    {"step_sm100", Device::gpu, false, "tcgen05_sm100", "tcgen05_sm100", "nccl", {DType::bf16}, "mma_sm80"},
    {"step_sm90", Device::gpu, false, "wgmma_sm90", "wgmma_sm90", "nccl", {DType::bf16}},
    {"step_sm80", Device::gpu, false, "mma_sm80", "mma_sm80", "nccl", {DType::bf16}},
    {"step_simt", Device::gpu, false, "simt_f32", "simt_f32", "nccl", {DType::f32}},
    {"onednn_step_cpu", Device::cpu, true, "onednn", "cpu_flash", "openmpi"},
    {"cublaslt_step", Device::gpu, true, "cublaslt_tuned", "cudnn", "nccl", {DType::bf16}},
    // Where cuDNN is not there, or has no backward pass with the same bits every time (Blackwell).
    {"cublaslt_step_mma", Device::gpu, true, "cublaslt_tuned", "mma_sm80", "nccl", {DType::bf16}},
    {"cublaslt_step_simt", Device::gpu, true, "cublaslt_tuned", "simt_f32", "nccl", {DType::f32}},
};

bool is_complete(const StepKernels& kernels) {
  return find_kernel_row(gemm_kernels(), kernels.gemm) != nullptr &&
         find_kernel_row(attention_kernels(), kernels.attention_of(AttentionPass::forward)) != nullptr &&
         find_kernel_row(attention_kernels(), kernels.attention_of(AttentionPass::backward)) != nullptr;
}

/// A refusal that says of what.
Support of_part(const std::string& what, const std::string& row, const Support& support) {
  return support.ok() ? support : Support::no(what + " by " + row + ": " + support.reason);
}

bool has(const StepKernels& kernels, DType dtype) {
  return std::find(kernels.dtypes.begin(), kernels.dtypes.end(), dtype) != kernels.dtypes.end();
}

/// With the first of the same device that has the type.
Support lacks(const StepKernels& kernels, DType dtype) {
  std::string reason = kernels.name + " has no " + name(dtype);
  for (const StepKernels& other : step_kernels())
    if (other.device == kernels.device && has(other, dtype)) return Support::no(reason + ", " + other.name + " has");
  return Support::no(std::move(reason));
}

Support gemm_support(const StepKernels& kernels, const TrainSetup& s, std::int64_t tokens, const Target& target) {
  const GemmKernel& row = *find_kernel_row(gemm_kernels(), kernels.gemm);
  const ParameterLayout layout(s.model);
  const LayerParameters& layer = layout.layers.front();
  for (const ParameterTensor* w : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down, &layout.head})
    for (const GemmLayout pass : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
      GemmProblem p;
      p.layout = pass, p.dtype = s.dtype, p.m = tokens, p.n = w->columns, p.k = w->rows;
      if (pass == GemmLayout::tn) std::swap(p.n, p.k);
      if (pass == GemmLayout::nt) p.m = w->rows, p.k = tokens;
      const std::string what = "layout " + std::string(name(pass)) + " of " + w->name;
      if (Support support = of_part(what, row.name, row.supports(p, target)); !support.ok()) return support;
    }
  return Support::yes();
}

/// Between processes with a GPU each.  CPU ranks are asked when they prepare: what they share is the launcher's to say.
Support all_reduce_support(const StepKernels& kernels, int ranks, const Target& target) {
  if (ranks == 1 || target.device == Device::cpu) return Support::yes();
  const CollectiveKernel* row = find_kernel_row(collective_kernels(), kernels.all_reduce);
  if (!row) return Support::no("this build has no " + kernels.all_reduce + " to sum gradients over ranks");
  CollectiveProblem p;
  p.operation = Collective::all_reduce, p.dtype = DType::f32, p.in_place = true;
  p.peers.ranks = ranks, p.peers.local = 1, p.peers.mpi = true;
  return of_part("all-reduce of gradients", row->name, row->supports(p, target));
}

}  // namespace

const std::vector<StepKernels>& step_kernels() {
  static const std::vector<StepKernels> present = [] {
    std::vector<StepKernels> out;
    std::copy_if(std::begin(kAll), std::end(kAll), std::back_inserter(out), is_complete);
    return out;
  }();
  return present;
}

const StepKernels* find_step_kernels(const std::string& name) { return find_kernel_row(step_kernels(), name); }

AttentionProblem step_attention(const TrainSetup& s, int ranks, AttentionPass pass) {
  AttentionProblem p;
  p.batch = s.batch / ranks, p.heads = s.model.heads, p.kv_heads = s.model.kv_heads;
  p.seq_q = p.seq_kv = s.sequence, p.head_dim = s.model.head_dim, p.causal = true, p.dtype = s.dtype, p.pass = pass;
  p.deterministic = pass == AttentionPass::backward;
  return p;
}

Support step_support(const StepKernels& kernels, const TrainSetup& s, int ranks, const Target& target) {
  if (!has(kernels, s.dtype)) return lacks(kernels, s.dtype);
  if (Support support = gemm_support(kernels, s, s.tokens() / ranks, target); !support.ok()) return support;
  for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward}) {
    const AttentionKernel& row = *find_kernel_row(attention_kernels(), kernels.attention_of(pass));
    const Support support =
        of_part(std::string("attention ") + name(pass), row.name, row.supports(step_attention(s, ranks, pass), target));
    if (!support.ok()) return support;
  }
  return all_reduce_support(kernels, ranks, target);
}

}  // namespace assay
