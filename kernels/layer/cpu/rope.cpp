// The CPU row of rotary position embedding: every thread takes a part of the tokens.
#include "kernels/layer/cpu/kernels.h"
#include "kernels/layer/cpu/parts.h"
#include "kernels/layer/cpu/rotate.h"

namespace assay {
namespace {

void launch_rope(const RopeProblem& p, const RopeBuffers& b, const Target& target, Stream) {
  const void* out = p.pass == LayerPass::forward ? b.y : b.dx;
  const bool halves = std::uintptr_t(p.head_dim / 2) * size_bytes(p.dtype) % cpu::kVectorBytes == 0;
  const bool stream = halves && cpu::is_aligned(out) && cpu::exceeds_caches(p.bytes(), target);
  cpu::for_parts(target, p.tokens, 1,
                 [&](std::int64_t begin, std::int64_t end) { cpu::rotate(p, b, stream, begin, end); });
}

}  // namespace

RopeKernel cpu_vector_rope() { return cpu::vector_row(launch_rope); }

}  // namespace assay
