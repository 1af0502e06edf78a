// The CPU rows of SwiGLU, GELU and the skip connection's addition: every thread sweeps its part of the elements.
#include "kernels/layer/cpu/elementwise.h"

#include <algorithm>
#include <initializer_list>

#include "kernels/layer/cpu/kernels.h"
#include "kernels/layer/cpu/parts.h"

namespace assay {

namespace {

// Elements that one thread takes at least, and parts' granule: whole pages, of bf16 as well.
constexpr std::int64_t kGranule = 4096;

using Sweep = void (*)(const cpu::ElementwisePart&);

cpu::ElementwisePart part_of(const cpu::ElementwisePart& whole, std::int64_t first_row, std::int64_t first_element) {
  cpu::ElementwisePart part = whole;
  for (auto& in : part.in) in.data = cpu::advanced(whole.dtype, in.data, first_row * in.stride + first_element);
  for (auto& out : part.out) out.data = cpu::advanced(whole.dtype, out.data, first_row * out.stride + first_element);
  return part;
}

/// The one row of `whole` in parts, one a thread.  `bytes`: of the problem.
void sweep_flat(const cpu::ElementwisePart& whole, double bytes, const Target& target, Sweep sweep) {
  const bool aligned = cpu::is_aligned(whole.out[0].data) && cpu::is_aligned(whole.out[1].data);
  const bool stream = aligned && cpu::exceeds_caches(bytes, target);
  cpu::for_parts(target, whole.count, kGranule, [&](std::int64_t begin, std::int64_t end) {
    cpu::ElementwisePart part = part_of(whole, 0, begin);
    part.count = end - begin, part.stream = stream;
    sweep(part);
  });
}

/// Rows that are further apart than they are long: each by one thread.
void sweep_rows(const cpu::ElementwisePart& whole, double bytes, const Target& target, Sweep sweep) {
  bool aligned = true;
  for (const auto& out : whole.out)
    aligned = aligned && cpu::is_aligned(out.data) &&
              std::uintptr_t(out.stride) * size_bytes(whole.dtype) % cpu::kVectorBytes == 0;
  const bool stream = aligned && cpu::exceeds_caches(bytes, target);
  cpu::for_parts(target, whole.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    cpu::ElementwisePart part = part_of(whole, begin, 0);
    part.rows = end - begin, part.stream = stream;
    sweep(part);
  });
}

void launch_swiglu(const SwigluProblem& p, const SwigluBuffers& b, const Target& target, Stream) {
  const bool forward = p.pass == LayerPass::forward, packed = p.input_stride() == p.ffn;
  const std::int64_t stride = p.input_stride();
  cpu::ElementwisePart whole;
  whole.dtype = p.dtype;
  whole.rows = packed ? 1 : p.tokens, whole.count = packed ? p.elements() : p.ffn;
  whole.in[0] = {b.gate, stride}, whole.in[1] = {b.up, stride}, whole.in[2] = {b.dy, p.ffn};
  if (forward)
    whole.out[0] = {b.y, p.ffn};
  else
    whole.out[0] = {b.d_gate, stride}, whole.out[1] = {b.d_up, stride};
  (packed ? sweep_flat : sweep_rows)(whole, p.bytes(), target, forward ? cpu::swiglu_forward : cpu::swiglu_backward);
}

/// An operation on packed arrays.
cpu::ElementwisePart packed(DType dtype, std::int64_t elements, std::initializer_list<const void*> in, void* out) {
  cpu::ElementwisePart whole;
  whole.dtype = dtype, whole.count = elements;
  std::transform(in.begin(), in.end(), whole.in,
                 [](const void* data) { return cpu::ElementwisePart::Array<const void*>{data}; });
  whole.out[0].data = out;
  return whole;
}

void launch_gelu(const GeluProblem& p, const GeluBuffers& b, const Target& target, Stream) {
  if (p.pass == LayerPass::forward)
    sweep_flat(packed(p.dtype, p.elements(), {b.x}, b.y), p.bytes(), target, cpu::gelu_forward);
  else
    sweep_flat(packed(p.dtype, p.elements(), {b.x, b.dy}, b.dx), p.bytes(), target, cpu::gelu_backward);
}

void launch_residual_add(const ResidualAddProblem& p, const ResidualAddBuffers& b, const Target& target, Stream) {
  sweep_flat(packed(p.dtype, p.elements(), {b.a, b.b}, b.out), p.bytes(), target, cpu::residual_add);
}

}  // namespace

SwigluKernel cpu_vector_swiglu() { return cpu::vector_row(launch_swiglu); }
GeluKernel cpu_vector_gelu() { return cpu::vector_row(launch_gelu); }
ResidualAddKernel cpu_vector_residual_add() { return cpu::vector_row(launch_residual_add); }

}  // namespace assay
