// GEMM on the CPU, fp32 and bf16 (Goto's algorithm: packed blocks in caches, a tile of sums in registers).
//
//   d is cut into a grid of slices, one a thread; no thread waits for another or shares what it packs, which beat
//   sharing the packed b (with its barriers) at every size up to 4096.
//   slice: for each block of columns of d                   kBlockColumns  packed b: last-level cache
//            for each block of k                            kBlockUnits    one panel of packed b: second-level cache
//              for each block of rows of d                  kBlockRows     packed a: second-level cache
//                for each panel of columns, panel of rows: one tile (kernels/common/cpu/tile.h), 14 x 32 on AVX-512
//
// Sums are fp32.  An fp32 d holds the partial sums between blocks of k; for a bf16 d they wait in a thread's own fp32
// block, so that each element is rounded once.
#include "kernels/gemm/cpu_blocked.h"

#include <algorithm>
#include <string>
#include <vector>

#include <hwy/aligned_allocator.h>

#include "kernels/gemm/cpu_kernels.h"

namespace assay {
namespace {

// A block of a takes 280 * 768 * 4 bytes = 840 KiB of a second-level cache of 1 MiB or more.
constexpr std::int64_t kBlockUnits = 768;
constexpr std::int64_t kBlockRows = 280;
constexpr std::int64_t kBlockColumns = 2048;
// Rows whose partial sums a bf16 d keeps aside: b is packed anew for each such block, 1/1120 of the work.
constexpr std::int64_t kSumRows = 4 * kBlockRows;

std::int64_t ceil_div(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }
std::int64_t round_up(std::int64_t x, std::int64_t y) { return ceil_div(x, y) * y; }

/// The block size, at most `limit` and a multiple of `unit`, that cuts `extent` into equal blocks.
std::int64_t even_block(std::int64_t extent, std::int64_t limit, std::int64_t unit) {
  return round_up(ceil_div(extent, ceil_div(extent, limit)), unit);
}

/// Part `index` of `parts` of `extent`, cut at multiples of `unit`.
struct Range {
  std::int64_t begin, end;
};
Range part_of(std::int64_t extent, std::int64_t unit, int parts, int index) {
  const std::int64_t units = ceil_div(extent, unit);
  const auto cut = [&](std::int64_t i) { return std::min(extent, units * i / parts * unit); };
  return {cut(index), cut(index + 1)};
}

/// How many parts the rows are cut into, of `threads` slices in all: slices as square as can be, since a slice reads
/// and packs in proportion to its two sides.
int row_parts(std::int64_t m, std::int64_t n, int threads) {
  int best = threads;
  double least = 0;
  for (int rows = 1; rows <= threads; ++rows) {
    if (threads % rows != 0) continue;
    const double sides = double(m) / rows + double(n) / (threads / rows);
    if (least == 0 || sides < least) best = rows, least = sides;
  }
  return best;
}

/// What one thread works in.
struct Workspace {
  hwy::AlignedFreeUniquePtr<std::uint32_t[]> a, b;
  hwy::AlignedFreeUniquePtr<float[]> sums;  // bf16 d: partial sums, or one tile where a single block of k suffices
};

class CpuBlockedGemm final : public GemmOperation {
 public:
  CpuBlockedGemm(const GemmProblem& problem, int threads, cpu::PackedTiles tiles)
      : problem_(problem), tiles_(*tiles.tiles), format_(tiles.format), threads_(std::max(threads, 1)) {
    const int per_unit = cpu::elements_per_unit(format_);
    block_k_ = even_block(problem.k, kBlockUnits * per_unit, cpu::kUnitsPerPiece * per_unit);
    row_parts_ = row_parts(problem.m, problem.n, threads_);
    column_parts_ = threads_ / row_parts_;
    const Range rows = part_of(problem.m, tiles_.rows, row_parts_, row_parts_ - 1);
    const Range columns = part_of(problem.n, tiles_.columns, column_parts_, column_parts_ - 1);
    block_rows_ = even_block(std::max<std::int64_t>(rows.end - rows.begin, 1), kBlockRows, tiles_.rows);
    block_columns_ = even_block(std::max<std::int64_t>(columns.end - columns.begin, 1), kBlockColumns, tiles_.columns);
    const bool keeps_sums = problem.output() != DType::f32 && block_k_ < problem.k;
    sum_rows_ = keeps_sums ? round_up(kSumRows, block_rows_) : problem.m;
    sum_stride_ = keeps_sums ? block_columns_ : 0;
    allocate();
  }

  void launch(const GemmBuffers& buffers, Stream) override {
    const int slices = row_parts_ * column_parts_;
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int slice = 0; slice < slices; ++slice) {
      const Range rows = part_of(problem_.m, tiles_.rows, row_parts_, slice / column_parts_);
      const Range columns = part_of(problem_.n, tiles_.columns, column_parts_, slice % column_parts_);
      multiply_slice(buffers, rows, columns, workspaces_[static_cast<std::size_t>(slice)]);
    }
  }

  std::string description() const override {
    return std::string(tiles_.name) + ", tile " + std::to_string(tiles_.rows) + "x" + std::to_string(tiles_.columns) +
           ", slices " + std::to_string(row_parts_) + "x" + std::to_string(column_parts_);
  }

 private:
  /// A block of d under work: its place, and the blocks of packed operands that make it.
  struct Block {
    std::int64_t row = 0, column = 0, rows = 0, columns = 0, k_begin = 0, k = 0;
    std::int64_t first_sum_row = 0;  // row of d that the first row of the kept sums belongs to
  };

  void allocate() {
    const std::int64_t units = cpu::packed_units(format_, block_k_);
    const std::int64_t sums =
        sum_stride_ > 0 ? std::min(sum_rows_, round_up(problem_.m, tiles_.rows)) * sum_stride_ : 0;
    const std::int64_t tile = tiles_.rows * tiles_.columns;
    for (int slice = 0; slice < row_parts_ * column_parts_; ++slice)
      workspaces_.push_back({hwy::AllocateAligned<std::uint32_t>(static_cast<std::size_t>(block_rows_ * units)),
                             hwy::AllocateAligned<std::uint32_t>(static_cast<std::size_t>(block_columns_ * units)),
                             hwy::AllocateAligned<float>(static_cast<std::size_t>(std::max(sums, tile)))});
    for (const Workspace& w : workspaces_)
      if (!w.a || !w.b || !w.sums) throw std::bad_alloc();
  }

  void multiply_slice(const GemmBuffers& buffers, Range rows, Range columns, Workspace& work) const {
    for (std::int64_t j = columns.begin; j < columns.end; j += block_columns_)
      for (std::int64_t sum_row = rows.begin; sum_row < rows.end; sum_row += sum_rows_)
        for (std::int64_t p = 0; p < problem_.k; p += block_k_) {
          Block block;
          block.column = j;
          block.columns = std::min(block_columns_, columns.end - j);
          block.k_begin = p;
          block.k = std::min(block_k_, problem_.k - p);
          block.first_sum_row = sum_row;
          cpu::pack_b(format_, b_block(buffers, block), tiles_.columns, work.b.get());
          const std::int64_t rows_end = std::min(rows.end, sum_row + sum_rows_);
          for (block.row = sum_row; block.row < rows_end; block.row += block_rows_) {
            block.rows = std::min(block_rows_, rows_end - block.row);
            cpu::pack_a(format_, a_block(buffers, block), tiles_.rows, work.a.get());
            multiply_block(buffers, block, work);
          }
        }
  }

  cpu::PackSource a_block(const GemmBuffers& buffers, const Block& block) const {
    const std::int64_t first = problem_.a_index(block.row, block.k_begin);
    return {static_cast<const char*>(buffers.a) + first * static_cast<std::int64_t>(size_bytes(problem_.dtype)),
            problem_.a_is_k_major() ? problem_.k : problem_.m, problem_.a_is_k_major(), block.rows, block.k};
  }

  cpu::PackSource b_block(const GemmBuffers& buffers, const Block& block) const {
    const std::int64_t first = problem_.b_index(block.k_begin, block.column);
    return {static_cast<const char*>(buffers.b) + first * static_cast<std::int64_t>(size_bytes(problem_.dtype)),
            problem_.b_is_k_major() ? problem_.k : problem_.n, problem_.b_is_k_major(), block.columns, block.k};
  }

  void multiply_block(const GemmBuffers& buffers, const Block& block, Workspace& work) const {
    const std::int64_t units = cpu::packed_units(format_, block.k);
    for (std::int64_t j = 0; j < block.columns; j += tiles_.columns)
      for (std::int64_t i = 0; i < block.rows; i += tiles_.rows) {
        cpu::TileTask task;
        task.units = units;
        task.a = work.a.get() + i * units;
        task.b = work.b.get() + j * units;
        const std::int64_t rows = std::min<std::int64_t>(tiles_.rows, block.rows - i);
        const std::int64_t columns = std::min<std::int64_t>(tiles_.columns, block.columns - j);
        if (problem_.output() == DType::f32)
          tile_to_f32(task, buffers, block, block.row + i, block.column + j, rows, columns);
        else
          tile_to_bf16(task, buffers, block, block.row + i, block.column + j, rows, columns, work);
      }
  }

  /// One tile into an fp32 d at (row, column), of which `columns` exist.
  void tile_to_f32(cpu::TileTask task, const GemmBuffers& buffers, const Block& block, std::int64_t row,
                   std::int64_t column, std::int64_t rows, std::int64_t columns) const {
    float* d = static_cast<float*>(buffers.d) + row * problem_.n + column;
    const bool accumulate = problem_.accumulates() || block.k_begin > 0;
    if (columns == tiles_.columns) {
      task.c = d;
      task.c_stride = problem_.n;
      task.accumulate = accumulate;
      tiles_.packed[rows - 1](task);
      return;
    }
    alignas(64) float edge[kMaxTileElements];
    task.c = edge;
    task.c_stride = tiles_.columns;
    tiles_.packed[rows - 1](task);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const float sum = edge[r * tiles_.columns + c];
        float& out = d[r * problem_.n + c];
        out = accumulate ? out + sum : sum;
      }
  }

  /// One tile into the sums kept for a bf16 d, and from there, after the last block of k, into d.
  void tile_to_bf16(cpu::TileTask task, const GemmBuffers& buffers, const Block& block, std::int64_t row,
                    std::int64_t column, std::int64_t rows, std::int64_t columns, Workspace& work) const {
    task.c = work.sums.get();
    task.c_stride = tiles_.columns;
    if (sum_stride_ > 0) {
      task.c += (row - block.first_sum_row) * sum_stride_ + (column - block.column);
      task.c_stride = sum_stride_;
      task.accumulate = block.k_begin > 0;
    }
    tiles_.packed[rows - 1](task);
    if (block.k_begin + block.k < problem_.k) return;
    auto* d = static_cast<std::uint16_t*>(buffers.d) + row * problem_.n + column;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) d[r * problem_.n + c] = float_to_bf16(task.c[r * task.c_stride + c]);
  }

  static constexpr int kMaxTileElements = cpu::kMaxTileRows * cpu::kMaxTileColumns;

  GemmProblem problem_;
  const cpu::TileSet& tiles_;
  cpu::PackFormat format_;
  int threads_, row_parts_ = 1, column_parts_ = 1;
  std::int64_t block_k_ = 0, block_rows_ = 0, block_columns_ = 0;
  std::int64_t sum_rows_ = 0;    // rows of d worked on before the next pass over k
  std::int64_t sum_stride_ = 0;  // between rows of kept sums; 0 where none are kept
  std::vector<Workspace> workspaces_;
};

}  // namespace

std::unique_ptr<GemmOperation> make_cpu_blocked_gemm(const GemmProblem& problem, int threads, cpu::PackedTiles tiles) {
  return std::make_unique<CpuBlockedGemm>(problem, threads, tiles);
}

GemmKernel cpu_blocked_gemm() {
  GemmKernel kernel;
  kernel.name = "cpu_blocked";
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = [](const GemmProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [](const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>&, Stream) {
    return make_cpu_blocked_gemm(problem, target.threads, cpu::best_tiles(problem.dtype));
  };
  return kernel;
}

}  // namespace assay
