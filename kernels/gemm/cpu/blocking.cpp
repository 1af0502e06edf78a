#include "kernels/gemm/cpu/blocking.h"

#include <algorithm>

#include "kernels/common/cpu/tile_amx.h"

namespace assay {
namespace {

// Sums pass through memory once per block of k, so blocks are as deep as the second-level cache bears: measured with 1
// MiB of it, 1024 units beat 256 by 5 to 8 % of peak, though a panel of b then no longer fits the first level.
constexpr std::int64_t kMostUnits = 1024;
constexpr std::int64_t kLeastUnits = 256;
// Packed b of a block: 4 MiB of the last-level cache.  Twice as many, which packs a half as often, cost 4 % of peak
// where that cache is shared.
constexpr std::int64_t kColumns = 1024;
// The first block of a is packed while nothing is computed: of a slice of few rows, it is a small part.  But not one so
// small that its tiles do not hide the packing of b: two panels fewer cost 1 to 2 % of peak at 512, four fewer 3 to 6.
constexpr std::int64_t kLeastBlocks = 8;
constexpr std::int64_t kLeastPanels = 6;
// With all of a kept packed, b is read once and need not be kept: a block is a few panels wide, and a in it less deep.
constexpr std::int64_t kColumnsBesideKeptA = 128;
constexpr std::int64_t kUnitsBesideKeptA = 512;
// Rows whose sums a bf16 d keeps aside: b is packed anew for each such block, less than a hundredth of the work.
constexpr std::int64_t kSumRows = 1120;

// Prefetchers run along a row of d up to the end of its page: where other threads write the rest of it, they take those
// lines from them.  Two cores far apart lost a tenth of their time to it at 512 columns, so that slices may then have
// sides a quarter longer.
constexpr std::int64_t kPage = 4096;
constexpr double kSharedPages = 1.25;

std::int64_t ceil_div(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }
std::int64_t round_up(std::int64_t x, std::int64_t y) { return ceil_div(x, y) * y; }

/// The block size, at most `limit` (rounded up to a multiple of `unit`), that cuts `extent` into equal blocks.
std::int64_t even_block(std::int64_t extent, std::int64_t limit, std::int64_t unit) {
  extent = std::max<std::int64_t>(extent, 1);
  return round_up(ceil_div(extent, ceil_div(extent, limit)), unit);
}

/// How many parts the rows are cut into, of `threads` slices in all: slices as square as can be, since a slice reads
/// and packs in proportion to its two sides.
int row_parts(const GemmProblem& p, int threads) {
  int best = threads;
  double least = 0;
  for (int rows = 1; rows <= threads; ++rows) {
    if (threads % rows != 0) continue;
    const std::int64_t columns = p.n / (threads / rows);
    double sides = double(p.m) / rows + double(columns);
    if (rows < threads && columns * std::int64_t(size_bytes(p.output())) < kPage) sides *= kSharedPages;
    if (least == 0 || sides < least) best = rows, least = sides;
  }
  return best;
}

}  // namespace

Range part_of(std::int64_t extent, std::int64_t unit, int parts, int index) {
  const std::int64_t units = ceil_div(extent, unit);
  const auto cut = [&](std::int64_t i) { return std::min(extent, units * i / parts * unit); };
  return {cut(index), cut(index + 1)};
}

GemmBlocking block_gemm(const GemmProblem& p, const cpu::PackedTiles& tiles, int threads, const cpu::Caches& caches) {
  const cpu::TileSet& tile = *tiles.tiles;
  GemmBlocking out;
  out.row_parts = row_parts(p, threads);
  out.column_parts = threads / out.row_parts;
  // Cut into whole tiles, 512 rows are parts of 252 and 260.  A last tile of few rows costs about those rows; but on
  // AMX whole registers.
  out.row_unit = tiles.format == cpu::PackFormat::bf16_amx ? cpu::kAmxRegisterRows : 1;
  // The last slice is the largest.
  const std::int64_t rows = part_of(p.m, out.row_unit, out.row_parts, out.row_parts - 1).size();
  const std::int64_t columns = part_of(p.n, tile.columns, out.column_parts, out.column_parts - 1).size();

  const std::int64_t most_units = std::clamp<std::int64_t>(caches.level2 / 1024, kLeastUnits, kMostUnits);
  // Two blocks of a, one in use and one being packed, leave half of the second-level cache to two panels of b and to
  // what passes through.  Leaving an eighth was 1 to 3 % of peak slower, whatever the depth.
  const std::int64_t bytes_of_a = caches.level2 / 4;
  const auto most_rows = [&](std::int64_t units) {
    return std::max<std::int64_t>(tile.rows, bytes_of_a / (4 * units));
  };
  // Kept, a is packed once: a block may take nearly half of the cache, since none is packed beside it.
  out.keeps_a = rows <= caches.level2 * 7 / 16 / (4 * std::min(most_units, kUnitsBesideKeptA));

  const int per_unit = cpu::elements_per_unit(tiles.format);
  out.k = even_block(p.k, per_unit * (out.keeps_a ? std::min(most_units, kUnitsBesideKeptA) : most_units),
                     per_unit * cpu::units_per_piece(tiles.format));
  // a that is kept is one block of rows: its place goes by k alone.
  const std::int64_t block_rows = out.keeps_a
                                      ? std::max<std::int64_t>(rows, 1)
                                      : std::min(most_rows(cpu::packed_units(tiles.format, out.k)),
                                                 std::max<std::int64_t>(kLeastPanels * tile.rows, rows / kLeastBlocks));
  out.rows = even_block(rows, block_rows, tile.rows);
  out.columns = even_block(columns, out.keeps_a ? kColumnsBesideKeptA : kColumns, tile.columns);
  out.keeps_sums = p.output() != DType::f32 && out.k < p.k;
  out.sum_rows = out.keeps_sums ? round_up(kSumRows, out.rows) : p.m;
  return out;
}

GemmBlock GemmBlocks::at(std::int64_t column, std::int64_t first_sum_row, std::int64_t k, std::int64_t row,
                         std::int64_t index) const {
  GemmBlock block;
  block.columns = {column, std::min(columns_.end, column + blocking_.columns)};
  block.first_sum_row = first_sum_row;
  block.k = {k, std::min(k_, k + blocking_.k)};
  block.rows = {row, std::min({rows_.end, row + blocking_.rows, first_sum_row + blocking_.sum_rows})};
  block.index = index;
  return block;
}

bool GemmBlocks::advance(GemmBlock& b) const {
  const std::int64_t sum_rows_end = std::min(rows_.end, b.first_sum_row + blocking_.sum_rows);
  if (b.rows.end < sum_rows_end)
    b = at(b.columns.begin, b.first_sum_row, b.k.begin, b.rows.end, b.index + 1);
  else if (b.k.end < k_)
    b = at(b.columns.begin, b.first_sum_row, b.k.end, b.first_sum_row, b.index + 1);
  else if (sum_rows_end < rows_.end)
    b = at(b.columns.begin, sum_rows_end, 0, sum_rows_end, b.index + 1);
  else if (b.columns.end < columns_.end)
    b = at(b.columns.end, rows_.begin, 0, rows_.begin, b.index + 1);
  else
    return false;
  return true;
}

}  // namespace assay
