// One thread's part of the CPU GEMM: a rectangle of d, the memory to pack operands in, and the loops over its blocks.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/cpu/huge_array.h"
#include "kernels/common/cpu/pack_ahead.h"
#include "kernels/gemm/cpu/blocking.h"

namespace assay {

/// What all slices of one problem share.
struct GemmPlan {
  GemmPlan(const GemmProblem&, const cpu::PackedTiles&, int threads, const cpu::Caches&);

  /// Where the panel that begins at `column` lies in prepacked b, for one block of k: [k block][panel][units][columns],
  /// in the order it is read.  Panels through all of k would lie powers of two apart, in the same sets of the caches.
  std::int64_t prepacked_offset(std::int64_t column, Range k) const;

  GemmProblem problem;
  cpu::PackFormat format;
  const cpu::TileSet& tiles;
  GemmBlocking blocking;
};

class GemmSlice {
 public:
  /// `plan` must outlive the slice.
  GemmSlice(const GemmPlan& plan, Range rows, Range columns);

  /// `prepacked`: all of b in panels, each through all of k; null where b is to be packed.
  void multiply(const GemmBuffers&, const std::uint32_t* prepacked);

 private:
  /// `next`: null after the last.
  void multiply_block(const GemmBlock& block, const GemmBlock* next);
  void multiply_tile(const GemmBlock&, std::int64_t row, std::int64_t column, cpu::TileTask&);
  void multiply_part_of_tile(std::int64_t rows, std::int64_t columns, float* d, cpu::TileTask&) const;

  cpu::PackSource a_source(const GemmBlock&) const;
  cpu::PackSource b_source(const GemmBlock&, std::int64_t panel) const;
  std::uint32_t* a_slot(const GemmBlock&) const;
  std::uint32_t* b_slot(std::int64_t panel) const;
  const std::uint32_t* b_panel(const GemmBlock&, std::int64_t panel) const;
  /// From here on the next `tiles` tiles pack this panel; or, where it is packed, only ask for it.  True if that takes
  /// other cache lines than before, seen from where they begin.
  bool start_b(const GemmBlock&, std::int64_t panel, std::uint32_t* slot, std::int64_t tiles);
  bool packs_a(const GemmBlock&) const;
  float* sums(const GemmBlock&, std::int64_t row, std::int64_t column) const;
  /// Where the tile at (row, column) will be written.
  const char* output(const GemmBlock&, std::int64_t row, std::int64_t column) const;
  void plan_prefetching(const GemmBlock&);

  std::int64_t row_panels(const GemmBlock&) const;
  std::int64_t column_panels(const GemmBlock&) const;

  const GemmPlan& plan_;
  const GemmProblem& p_;
  const cpu::TileSet& tiles_;
  Range rows_, columns_;
  GemmBlocks blocks_;

  std::int64_t block_units_;  // of the deepest block
  std::int64_t a_slots_;      // blocks of packed a: two in turn, or one for each block of k
  std::int64_t b_slots_;      // panels of packed b: one more than a block has, used in turn
  cpu::HugeArray<std::uint32_t> packed_a_, packed_b_;
  cpu::HugeArray<float> sums_;  // [sum_rows, block columns]

  cpu::PackAhead a_, b_;
  std::int64_t first_slot_ = 0;  // of the present block's b
  std::vector<cpu::PrefetchStep> prefetch_;
  GemmBuffers buffers_;
  const std::uint32_t* prepacked_ = nullptr;
};

}  // namespace assay
