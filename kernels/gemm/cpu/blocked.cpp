// GEMM on the CPU, fp32 and bf16 (Goto's algorithm: packed blocks in caches, a tile of sums in registers).
//
//   d is cut into a grid of slices, one a thread; no thread waits for another or shares what it packs, which beat
//   sharing the packed b (with its barriers) at every size up to 4096.
//   slice: for each block of columns of d                   packed b: last-level cache
//            for each block of k
//              for each block of rows of d                  packed a: second-level cache
//                for each panel of columns, panel of rows: one tile (kernels/common/cpu/tile.h), 14 x 32 on AVX-512,
//                                                                32 x 32 on AMX
//
// Both operands are packed a little at a time between tiles, one panel of b and one block of a ahead
// (kernels/common/cpu/pack_ahead.h).  Of few rows, all of a is packed once and kept.  Sums are fp32.  An fp32 d holds
// the partial sums between blocks of k; for a bf16 d they wait in a thread's own fp32 block, so that each element is
// rounded once.
#include "kernels/gemm/cpu/blocked.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

#include "kernels/gemm/cpu/blocked_slice.h"
#include "kernels/gemm/cpu/kernels.h"

namespace assay {
namespace {

class CpuBlockedGemm final : public GemmOperation {
 public:
  CpuBlockedGemm(const GemmProblem& problem, int threads, const cpu::PackedTiles& tiles,
                 const std::vector<GemmBuffers>& sets, const cpu::Caches& caches)
      : threads_(std::max(threads, 1)), plan_(problem, tiles, threads_, caches) {
    const GemmBlocking& blocking = plan_.blocking;
    for (int row = 0; row < blocking.row_parts; ++row)
      for (int column = 0; column < blocking.column_parts; ++column)
        slices_.emplace_back(plan_, part_of(problem.m, blocking.row_unit, blocking.row_parts, row),
                             part_of(problem.n, plan_.tiles.columns, blocking.column_parts, column));
    if (problem.prepacked)
      for (const GemmBuffers& set : sets)
        if (prepacked_.find(set.b) == prepacked_.end()) prepacked_.emplace(set.b, prepack(set.b));
  }

  void launch(const GemmBuffers& buffers, Stream) override {
    const std::uint32_t* prepacked = plan_.problem.prepacked ? prepacked_b(buffers.b) : nullptr;
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (std::size_t slice = 0; slice < slices_.size(); ++slice) slices_[slice].multiply(buffers, prepacked);
  }

  std::string description() const override {
    const GemmBlocking& cut = plan_.blocking;
    const auto times = [](auto x, auto y) { return std::to_string(x) + "x" + std::to_string(y); };
    return std::string(plan_.tiles.name) + ", tile " + times(plan_.tiles.rows, plan_.tiles.columns) + ", slices " +
           times(cut.row_parts, cut.column_parts) + ", blocks " + times(cut.rows, cut.columns) + " of " +
           std::to_string(cut.k) + " k";
  }

 private:
  cpu::HugeArray<std::uint32_t> prepack(const void* b) const {
    const GemmProblem& p = plan_.problem;
    const std::int64_t width = plan_.tiles.columns, panels = (p.n + width - 1) / width;
    auto packed =
        cpu::huge_array<std::uint32_t>(static_cast<std::size_t>(panels * width * cpu::packed_units(plan_.format, p.k)));
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      const std::int64_t column = panel * width;
      for (Range k{0, 0}; k.begin < p.k; k.begin = k.end) {
        k.end = std::min(p.k, k.begin + plan_.blocking.k);
        const cpu::PackSource source{
            static_cast<const char*>(b) + p.b_index(k.begin, column) * std::int64_t(size_bytes(p.dtype)),
            p.b_is_k_major() ? p.k : p.n, p.b_is_k_major(), std::min(width, p.n - column), k.size()};
        cpu::pack_b(plan_.format, source, plan_.tiles.columns, packed.get() + plan_.prepacked_offset(column, k));
      }
    }
    return packed;
  }

  const std::uint32_t* prepacked_b(const void* b) const {
    const auto found = prepacked_.find(b);
    if (found == prepacked_.end()) throw std::runtime_error("cpu_blocked: this b was not among the sets it prepacked");
    return found->second.get();
  }

  int threads_;
  GemmPlan plan_;
  std::vector<GemmSlice> slices_;
  std::map<const void*, cpu::HugeArray<std::uint32_t>> prepacked_;
};

}  // namespace

std::unique_ptr<GemmOperation> make_cpu_blocked_gemm(const GemmProblem& problem, int threads, cpu::PackedTiles tiles,
                                                     const std::vector<GemmBuffers>& sets, const cpu::Caches& caches) {
  return std::make_unique<CpuBlockedGemm>(problem, threads, tiles, sets, caches);
}

GemmKernel cpu_blocked_gemm() {
  GemmKernel kernel;
  kernel.name = "cpu_blocked";
  kernel.packs_weights = true;
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = [](const GemmProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [](const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>& sets, Stream) {
    return make_cpu_blocked_gemm(problem, target.threads, cpu::best_tiles(problem.dtype), sets);
  };
  return kernel;
}

}  // namespace assay
