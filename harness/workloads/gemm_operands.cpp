#include "harness/workloads/gemm_operands.h"

#include "harness/verify/fill.h"
#include "harness/verify/quantize.h"
#include "kernels/gemm/gemm_scaling.h"

namespace assay {
namespace {

// Streams of the seeded fill: every operand its own.
enum Tensor : std::uint64_t { kA = 1, kB = 2, kD = 3 };

BlockFactor block_factor(GemmScaling scaling) {
  switch (scaling) {
    case GemmScaling::none:
    case GemmScaling::tensor:
      return BlockFactor::none;
    case GemmScaling::block:
      return BlockFactor::f32;
    case GemmScaling::mx:
      return BlockFactor::e8m0;
    case GemmScaling::nv:
      return BlockFactor::e4m3;
  }
  return BlockFactor::none;
}

OperandFormat common_format(const GemmProblem& p) {
  OperandFormat format;
  format.k = p.k;
  format.tensor_factor = has_tensor_scale(p.scaling);
  format.block_factor = block_factor(p.scaling);
  if (has_block_scales(p.scaling)) format.block_k = scale_block_k(p.scaling);
  return format;
}

OperandFormat a_format(const GemmProblem& p) {
  OperandFormat format = common_format(p);
  format.dtype = p.a_dtype();
  format.rows = p.m;
  format.row_stride = p.a_is_k_major() ? p.k : 1;
  format.k_stride = p.a_is_k_major() ? 1 : p.m;
  format.factor_index = [p](std::int64_t row, std::int64_t block) { return a_scale_index(p, row, block); };
  format.factor_bytes = a_scale_bytes(p);
  return format;
}

OperandFormat b_format(const GemmProblem& p) {
  OperandFormat format = common_format(p);
  format.dtype = p.b_dtype();
  format.rows = p.n;
  format.row_stride = p.b_is_k_major() ? p.k : 1;
  format.k_stride = p.b_is_k_major() ? 1 : p.n;
  format.block_rows = p.scaling == GemmScaling::block ? 128 : 1;
  format.factor_index = [p](std::int64_t column, std::int64_t block) { return b_scale_index(p, column, block); };
  format.factor_bytes = b_scale_bytes(p);
  return format;
}

}  // namespace

GemmBytes gemm_bytes(const GemmProblem& p) {
  GemmBytes bytes;
  bytes.a = std::size_t(storage_bytes(p.a_dtype(), p.m * p.k));
  bytes.b = std::size_t(storage_bytes(p.b_dtype(), p.k * p.n));
  bytes.d = std::size_t(p.m * p.n) * size_bytes(p.output());
  bytes.a_block_scales = std::size_t(a_scale_bytes(p));
  bytes.b_block_scales = std::size_t(b_scale_bytes(p));
  bytes.tensor_scale = has_tensor_scale(p.scaling) ? sizeof(float) : 0;
  return bytes;
}

GemmBuffers GemmOperands::buffers() const {
  return {a.data(), b.data(), nullptr, &a_tensor_scale, &b_tensor_scale, a_block_scales.data(), b_block_scales.data()};
}

GemmOperands seeded_operands(const GemmProblem& p, Fill fill, std::uint64_t seed, int threads) {
  const GemmBytes bytes = gemm_bytes(p);
  GemmOperands out;
  if (info(p.dtype).bits < 16) {
    ScaledOperand a = quantized_operand(a_format(p), fill, seed, kA, threads);
    ScaledOperand b = quantized_operand(b_format(p), fill, seed, kB, threads);
    out.a = std::move(a.elements), out.a_block_scales = std::move(a.block_factors),
    out.a_tensor_scale = a.tensor_factor;
    out.b = std::move(b.elements), out.b_block_scales = std::move(b.block_factors),
    out.b_tensor_scale = b.tensor_factor;
  } else {
    out.a.resize(bytes.a), out.b.resize(bytes.b);
    fill_array(p.dtype, out.a.data(), p.m * p.k, fill, seed, kA, threads);
    fill_array(p.dtype, out.b.data(), p.k * p.n, fill, seed, kB, threads);
  }
  if (p.accumulates()) {
    out.d.resize(bytes.d);
    fill_array(p.output(), out.d.data(), p.m * p.n, fill, seed, kD, threads);
  }
  return out;
}

}  // namespace assay
