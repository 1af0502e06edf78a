#include "kernels/gemm/cpu/blocked_slice.h"

#include <algorithm>

namespace assay {
namespace {

constexpr std::int64_t kCacheLine = 64;

// What is written is asked for this many pieces before the tile's end, the last of it: 4500 cycles, 1.2 us.  12 pieces
// are more than a quiet memory takes, but not one that two distant cores read at once: 3 % of peak at 512.
constexpr std::int64_t kPiecesAfterOutput = 40;

std::int64_t ceil_div(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }

template <class T>
void copy_rows(const T* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, T* to,
               std::int64_t to_stride) {
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(from + r * from_stride, columns, to + r * to_stride);
}

const void* element(const void* base, std::int64_t index, DType dtype) {
  return static_cast<const char*>(base) + index * static_cast<std::int64_t>(size_bytes(dtype));
}

cpu::HugeArray<std::uint32_t> units(std::int64_t count) {
  return cpu::huge_array<std::uint32_t>(static_cast<std::size_t>(count));
}

}  // namespace

GemmPlan::GemmPlan(const GemmProblem& p, const cpu::PackedTiles& packed, int threads, const cpu::Caches& caches)
    : problem(p), format(packed.format), tiles(*packed.tiles), blocking(block_gemm(p, packed, threads, caches)) {}

std::int64_t GemmPlan::prepacked_offset(std::int64_t column, Range k) const {
  const std::int64_t columns = ceil_div(problem.n, tiles.columns) * tiles.columns;
  return columns * cpu::packed_units(format, k.begin) + column * cpu::packed_units(format, k.size());
}

GemmSlice::GemmSlice(const GemmPlan& plan, Range rows, Range columns)
    : plan_(plan),
      p_(plan.problem),
      tiles_(plan.tiles),
      rows_(rows),
      columns_(columns),
      blocks_(plan.blocking, rows, columns, plan.problem.k),
      block_units_(cpu::packed_units(plan.format, plan.blocking.k)),
      a_slots_(plan.blocking.keeps_a ? ceil_div(p_.k, plan.blocking.k) : 2),
      b_slots_(p_.prepacked ? 0 : plan.blocking.columns / tiles_.columns + 1),
      packed_a_(units(a_slots_ * plan.blocking.rows * block_units_)),
      packed_b_(units(b_slots_ * tiles_.columns * block_units_)),
      sums_(cpu::huge_array<float>(static_cast<std::size_t>(
          plan.blocking.keeps_sums ? std::min(plan.blocking.sum_rows, p_.m) * plan.blocking.columns : 0))),
      a_(cpu::Operand::a, plan.format, tiles_.rows),
      b_(cpu::Operand::b, plan.format, tiles_.columns) {}

void GemmSlice::multiply(const GemmBuffers& buffers, const std::uint32_t* prepacked) {
  if (rows_.size() <= 0 || columns_.size() <= 0) return;
  const cpu::TilesInUse in_use(tiles_);
  buffers_ = buffers;
  prepacked_ = prepacked;
  first_slot_ = 0;
  GemmBlock block = blocks_.first();
  // No tiles hide this first packing.
  a_.start(a_source(block), a_slot(block), 0);
  start_b(block, 0, b_slot(0), row_panels(block));
  for (bool more = true; more;) {
    a_.finish();
    GemmBlock next = block;
    more = blocks_.advance(next);
    if (more && packs_a(next)) a_.start(a_source(next), a_slot(next), row_panels(block) * column_panels(block));
    multiply_block(block, more ? &next : nullptr);
    block = next;
  }
}

void GemmSlice::multiply_block(const GemmBlock& block, const GemmBlock* next) {
  const std::int64_t panels = column_panels(block), row_panels = this->row_panels(block);
  const bool next_packs_b = next != nullptr && next->packs_b();
  const std::uint32_t* a = a_slot(block);
  cpu::TileTask task;
  task.units = cpu::packed_units(plan_.format, block.k.size());
  for (std::int64_t j = 0; j < panels; ++j) {
    b_.finish();
    task.b = b_panel(block, j);
    bool other_lines = j == 0;
    if (j + 1 < panels)
      other_lines |= start_b(block, j + 1, b_slot(j + 1), row_panels);
    else if (next != nullptr)
      other_lines |= start_b(*next, 0, b_slot(next_packs_b ? panels : 0), row_panels);
    if (other_lines) plan_prefetching(block);
    for (std::int64_t i = 0; i < row_panels; ++i) {
      task.a = a + i * tiles_.rows * task.units;
      multiply_tile(block, block.rows.begin + i * tiles_.rows, block.columns.begin + j * tiles_.columns, task);
      b_.after_tile();
      a_.after_tile();
    }
  }
  if (next_packs_b && b_slots_ > 0) first_slot_ = (first_slot_ + panels) % b_slots_;
}

void GemmSlice::multiply_tile(const GemmBlock& block, std::int64_t row, std::int64_t column, cpu::TileTask& task) {
  const std::int64_t rows = std::min<std::int64_t>(tiles_.rows, block.rows.end - row);
  const std::int64_t columns = std::min<std::int64_t>(tiles_.columns, block.columns.end - column);
  task.accumulate = p_.accumulates() || block.k.begin > 0;
  task.prefetch = prefetch_.data();
  task.prefetch_from[0] = task.prefetch_from[1] = b_.lines_from();
  task.prefetch_from[2] = b_.packed_from();
  task.prefetch_from[3] = a_.lines_from();
  task.prefetch_from[4] = a_.packed_from();
  task.prefetch_from[5] = output(block, row, column);
  const std::int64_t index = row * p_.n + column;
  const bool whole = columns == tiles_.columns;
  if (p_.output() == DType::f32) {
    float* d = static_cast<float*>(buffers_.d) + index;
    if (!whole) return multiply_part_of_tile(rows, columns, d, task);
    task.c = d;
    task.c_stride = p_.n;
    return tiles_.packed[rows - 1](task);
  }
  if (plan_.blocking.keeps_sums) {
    task.c = sums(block, row, column);
    task.c_stride = plan_.blocking.columns;
  }
  if (block.k.end < p_.k) {
    task.bf16 = nullptr;
    return tiles_.packed[rows - 1](task);
  }
  auto* d = static_cast<std::uint16_t*>(buffers_.d) + index;
  std::uint16_t part[cpu::kMaxTileRows * cpu::kMaxTileColumns];
  task.bf16 = whole ? d : part;
  task.bf16_stride = whole ? p_.n : tiles_.columns;
  tiles_.packed[rows - 1](task);
  if (!whole) copy_rows(part, tiles_.columns, rows, columns, d, p_.n);
}

/// A tile of which d has only some columns.
void GemmSlice::multiply_part_of_tile(std::int64_t rows, std::int64_t columns, float* d, cpu::TileTask& task) const {
  alignas(64) float part[cpu::kMaxTileRows * cpu::kMaxTileColumns];
  std::fill_n(part, rows * tiles_.columns, 0.0f);
  if (task.accumulate) copy_rows(d, p_.n, rows, columns, part, tiles_.columns);
  task.c = part;
  task.c_stride = tiles_.columns;
  tiles_.packed[rows - 1](task);
  copy_rows(part, tiles_.columns, rows, columns, d, p_.n);
}

cpu::PackSource GemmSlice::a_source(const GemmBlock& block) const {
  const bool k_major = p_.a_is_k_major();
  const std::int64_t first = p_.a_index(block.rows.begin, block.k.begin);
  return {element(buffers_.a, first, p_.dtype),
          k_major ? p_.k : p_.m,
          k_major,
          block.rows.size(),
          block.k.size(),
          p_.m - block.rows.begin};
}

cpu::PackSource GemmSlice::b_source(const GemmBlock& block, std::int64_t panel) const {
  const bool k_major = p_.b_is_k_major();
  const std::int64_t column = block.columns.begin + panel * tiles_.columns;
  const std::int64_t columns = std::min<std::int64_t>(tiles_.columns, block.columns.end - column);
  return {element(buffers_.b, p_.b_index(block.k.begin, column), p_.dtype), k_major ? p_.k : p_.n, k_major, columns,
          block.k.size()};
}

bool GemmSlice::start_b(const GemmBlock& block, std::int64_t panel, std::uint32_t* slot, std::int64_t tiles) {
  if (prepacked_ == nullptr && block.packs_b()) return b_.start(b_source(block, panel), slot, tiles);
  // Rows of units, each as long as the panel is wide, counted in elements of the source's size.
  const std::int64_t row = tiles_.columns * 4 / static_cast<std::int64_t>(size_bytes(p_.dtype));
  const std::int64_t units = cpu::packed_units(plan_.format, block.k.size());
  const std::uint32_t* packed = prepacked_ == nullptr ? slot : b_panel(block, panel);
  return b_.start({packed, row, false, row, units}, nullptr, tiles);
}

std::uint32_t* GemmSlice::a_slot(const GemmBlock& block) const {
  const std::int64_t slot = plan_.blocking.keeps_a ? block.k.begin / plan_.blocking.k : block.index % 2;
  return packed_a_.get() + slot * plan_.blocking.rows * block_units_;
}

bool GemmSlice::packs_a(const GemmBlock& block) const {
  return !plan_.blocking.keeps_a || block.columns.begin == columns_.begin;
}

std::uint32_t* GemmSlice::b_slot(std::int64_t panel) const {
  if (b_slots_ == 0) return nullptr;
  return packed_b_.get() + (first_slot_ + panel) % b_slots_ * tiles_.columns * block_units_;
}

const std::uint32_t* GemmSlice::b_panel(const GemmBlock& block, std::int64_t panel) const {
  if (prepacked_ == nullptr) return b_slot(panel);
  return prepacked_ + plan_.prepacked_offset(block.columns.begin + panel * tiles_.columns, block.k);
}

float* GemmSlice::sums(const GemmBlock& block, std::int64_t row, std::int64_t column) const {
  return sums_.get() + (row - block.first_sum_row) * plan_.blocking.columns + (column - block.columns.begin);
}

const char* GemmSlice::output(const GemmBlock& block, std::int64_t row, std::int64_t column) const {
  if (plan_.blocking.keeps_sums) return reinterpret_cast<const char*>(sums(block, row, column));
  return static_cast<const char*>(element(buffers_.d, row * p_.n + column, p_.output()));
}

/// Every tile of the block asks for a chunk of b, in two lists, a chunk of a, where both will be packed, which are
/// lines that only the last-level cache still has, and what it will itself write.
void GemmSlice::plan_prefetching(const GemmBlock& block) {
  const std::int64_t element_bytes = plan_.blocking.keeps_sums ? 4 : static_cast<std::int64_t>(size_bytes(p_.output()));
  const std::int64_t stride = plan_.blocking.keeps_sums ? plan_.blocking.columns : p_.n;
  std::vector<std::int64_t> d;
  for (std::int64_t r = 0; r < tiles_.rows; ++r)
    for (std::int64_t byte = 0; byte < tiles_.columns * element_bytes; byte += kCacheLine)
      d.push_back(r * stride * element_bytes + byte);
  const auto& a = a_.line_offsets();
  const auto& b = b_.line_offsets();
  const auto& packed_a = a_.packed_line_offsets();
  const auto& packed_b = b_.packed_line_offsets();
  // Past a list's end its last line again: the step is the same for all pieces, and a line that is here costs nothing.
  const auto line = [](const std::vector<std::int64_t>& list, std::int64_t index) {
    if (list.empty()) return std::int64_t(0);
    return list[static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, std::int64_t(list.size()) - 1))];
  };
  const std::int64_t pieces = cpu::packed_units(plan_.format, block.k.size()) / cpu::kUnitsPerPiece;
  const std::int64_t before_d = std::max<std::int64_t>(0, pieces - kPiecesAfterOutput - std::int64_t(d.size()));
  prefetch_.resize(static_cast<std::size_t>(pieces));
  for (std::int64_t i = 0; i < pieces; ++i)
    prefetch_[static_cast<std::size_t>(i)] = {
        {line(b, 2 * i), line(b, 2 * i + 1), line(packed_b, i), line(a, i), line(packed_a, i), line(d, i - before_d)}};
}

std::int64_t GemmSlice::row_panels(const GemmBlock& block) const { return ceil_div(block.rows.size(), tiles_.rows); }
std::int64_t GemmSlice::column_panels(const GemmBlock& block) const {
  return ceil_div(block.columns.size(), tiles_.columns);
}

}  // namespace assay
