// The CPU rows of SwiGLU, GELU and the skip connection's addition: every thread sweeps its part of the elements.
#include "kernels/layer/cpu_elementwise.h"
#include "kernels/layer/cpu_kernels.h"
#include "kernels/layer/cpu_parts.h"

namespace assay {

namespace {

// Elements that one thread takes at least, and parts' granule: whole pages, of bf16 as well.
constexpr std::int64_t kGranule = 4096;

using Sweep = void (*)(const cpu::ElementwisePart&);

/// All of `whole` in parts, one a thread.  `bytes`: of the problem.
void sweep_flat(const cpu::ElementwisePart& whole, double bytes, const Target& target, Sweep sweep) {
  const bool aligned = cpu::is_aligned(whole.out[0]) && cpu::is_aligned(whole.out[1]);
  const bool stream = aligned && cpu::exceeds_caches(bytes, target);
  cpu::for_parts(target, whole.count, kGranule, [&](std::int64_t begin, std::int64_t end) {
    cpu::ElementwisePart part = whole;
    part.count = end - begin;
    part.stream = stream;
    for (const void*& in : part.in) in = cpu::advanced(whole.dtype, in, begin);
    for (void*& out : part.out) out = cpu::advanced(whole.dtype, out, begin);
    sweep(part);
  });
}

/// Rows of gate and up that are further apart than they are long: row by row, each by one thread.
void sweep_strided(const SwigluProblem& p, const SwigluBuffers& b, const Target& target) {
  const bool forward = p.pass == LayerPass::forward;
  const auto row_bytes = std::uintptr_t(p.ffn) * size_bytes(p.dtype);
  const auto stride_bytes = std::uintptr_t(p.input_stride()) * size_bytes(p.dtype);
  const bool aligned = row_bytes % cpu::kVectorBytes == 0 && stride_bytes % cpu::kVectorBytes == 0 &&
                       cpu::is_aligned(b.y) && cpu::is_aligned(b.d_gate) && cpu::is_aligned(b.d_up);
  const bool stream = aligned && cpu::exceeds_caches(p.bytes(), target);
  cpu::for_parts(target, p.tokens, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t at = t * p.input_stride(), packed = t * p.ffn;
      const auto in = [&](const void* array, std::int64_t first) { return cpu::advanced(p.dtype, array, first); };
      const auto out = [&](void* array, std::int64_t first) { return cpu::advanced(p.dtype, array, first); };
      cpu::ElementwisePart row{p.dtype, p.ffn, stream, {in(b.gate, at), in(b.up, at), in(b.dy, packed)}, {}};
      if (forward) {
        row.out[0] = out(b.y, packed);
        cpu::swiglu_forward(row);
      } else {
        row.out[0] = out(b.d_gate, at), row.out[1] = out(b.d_up, at);
        cpu::swiglu_backward(row);
      }
    }
  });
}

void launch_swiglu(const SwigluProblem& p, const SwigluBuffers& b, const Target& target, Stream) {
  if (p.input_stride() != p.ffn) return sweep_strided(p, b, target);
  if (p.pass == LayerPass::forward)
    sweep_flat({p.dtype, p.elements(), false, {b.gate, b.up}, {b.y}}, p.bytes(), target, cpu::swiglu_forward);
  else
    sweep_flat({p.dtype, p.elements(), false, {b.gate, b.up, b.dy}, {b.d_gate, b.d_up}}, p.bytes(), target,
               cpu::swiglu_backward);
}

void launch_gelu(const GeluProblem& p, const GeluBuffers& b, const Target& target, Stream) {
  if (p.pass == LayerPass::forward)
    sweep_flat({p.dtype, p.elements(), false, {b.x}, {b.y}}, p.bytes(), target, cpu::gelu_forward);
  else
    sweep_flat({p.dtype, p.elements(), false, {b.x, b.dy}, {b.dx}}, p.bytes(), target, cpu::gelu_backward);
}

void launch_residual_add(const ResidualAddProblem& p, const ResidualAddBuffers& b, const Target& target, Stream) {
  sweep_flat({p.dtype, p.elements(), false, {b.a, b.b}, {b.out}}, p.bytes(), target, cpu::residual_add);
}

}  // namespace

SwigluKernel cpu_vector_swiglu() { return cpu::vector_row(launch_swiglu); }
GeluKernel cpu_vector_gelu() { return cpu::vector_row(launch_gelu); }
ResidualAddKernel cpu_vector_residual_add() { return cpu::vector_row(launch_residual_add); }

}  // namespace assay
