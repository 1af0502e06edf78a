// How the CPU GEMM cuts a problem: slices of d for threads, and blocks of a slice for caches.
#pragma once
#include <cstdint>

#include "kernels/common/cpu/caches.h"
#include "kernels/common/cpu/pack.h"
#include "kernels/gemm/gemm.h"

namespace assay {

struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

struct GemmBlocking {
  int row_parts = 1, column_parts = 1;        // of d: as many slices as threads
  int row_unit = 1;                           // the parts are multiples of it
  std::int64_t rows = 0, columns = 0, k = 0;  // of a block, in elements; whole tiles and pieces
  std::int64_t sum_rows = 0;                  // rows of d that pass through all of k before the next ones do
  bool keeps_a = false;                       // a slice's a stays packed while all its columns are computed
  bool keeps_sums = false;                    // fp32 sums wait beside a d of fewer bits between blocks of k

  int slices() const { return row_parts * column_parts; }
};

GemmBlocking block_gemm(const GemmProblem&, const cpu::PackedTiles&, int threads, const cpu::Caches&);

/// Part `index` of `parts` of `extent`, cut at multiples of `unit`.
Range part_of(std::int64_t extent, std::int64_t unit, int parts, int index);

/// A block of d under work, and which stretch of k it sums.
struct GemmBlock {
  Range rows, columns, k;
  std::int64_t first_sum_row = 0;  // where the rows that pass through all of k together begin
  std::int64_t index = 0;          // blocks done before

  /// The first that reads these columns and this k of b.
  bool packs_b() const { return rows.begin == first_sum_row; }
};

/// The blocks of one slice in their order: columns, rows whose sums are kept, k, rows.
class GemmBlocks {
 public:
  GemmBlocks(const GemmBlocking& blocking, Range rows, Range columns, std::int64_t k)
      : blocking_(blocking), rows_(rows), columns_(columns), k_(k) {}

  GemmBlock first() const { return at(columns_.begin, rows_.begin, 0, rows_.begin, 0); }
  /// False after the last.
  bool advance(GemmBlock&) const;

 private:
  GemmBlock at(std::int64_t column, std::int64_t first_sum_row, std::int64_t k, std::int64_t row,
               std::int64_t index) const;

  GemmBlocking blocking_;
  Range rows_, columns_;
  std::int64_t k_;
};

}  // namespace assay
