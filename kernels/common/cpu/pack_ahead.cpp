#include "kernels/common/cpu/pack_ahead.h"

#include <algorithm>

namespace assay::cpu {
namespace {

constexpr std::int64_t kCacheLine = 64;
// A panel of a has few rows: packed after every tile, its chunks are so short that calls cost more than copies.
constexpr std::int64_t kTilesPerChunkOfA = 4;

std::int64_t ceil_div(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }
std::int64_t round_up(std::int64_t x, std::int64_t y) { return ceil_div(x, y) * y; }

/// As many as list_lines() lists.
std::int64_t lines_of_row(std::int64_t bytes) {
  return ceil_div(bytes, kCacheLine) + (bytes % kCacheLine != 0 ? 1 : 0);
}

int element_bytes(PackFormat format) { return format == PackFormat::f32 ? 4 : 2; }

}  // namespace

bool PackAhead::start(const PackSource& source, std::uint32_t* packed, std::int64_t tiles) {
  const std::int64_t panels = source.k_major ? ceil_div(source.count, width_) : 1;
  // At most as many chunks as tiles: a cache line of each row where k is contiguous, else a piece, is the least.
  const std::int64_t least = source.k_major ? kCacheLine / 4 : units_per_piece(format_);
  const std::int64_t most_chunks = tiles == 0 ? panels : operand_ == Operand::a ? tiles / kTilesPerChunkOfA : tiles;
  const std::int64_t all_units = packed_units(format_, source.k);
  std::int64_t units = round_up(ceil_div(all_units, std::max<std::int64_t>(1, most_chunks / panels)), least);
  if (operand_ == Operand::a && tiles > 0) units = std::min(units, most_units_of_a(source, least));
  const bool same_lines = source.k_major == source_.k_major && source.stride == source_.stride &&
                          source.count == source_.count && chunk_k_ == units * elements_per_unit(format_) &&
                          units_ == all_units && (packed_ == nullptr) == (packed == nullptr) && !lines_.empty();
  source_ = source;
  packed_ = packed;
  units_ = all_units;
  chunk_k_ = units * elements_per_unit(format_);
  chunks_per_panel_ = ceil_div(source.k, chunk_k_);
  chunks_ = chunks_per_panel_ * panels;
  tiles_per_chunk_ = std::max<std::int64_t>(1, tiles / chunks_);
  done_ = 0;
  ask_for(0);
  if (!same_lines) list_lines();
  return !same_lines;
}

/// Of a chunk, in multiples of `least`.  A tile, as deep as what is packed, asks for a line of a with each of its
/// pieces: of a longer chunk some lines would never be asked for.
std::int64_t PackAhead::most_units_of_a(const PackSource& source, std::int64_t least) const {
  const std::int64_t elements = least * elements_per_unit(format_);
  const std::int64_t rows = source.k_major ? std::min<std::int64_t>(width_, source.count) : elements;
  const std::int64_t lines = rows * lines_of_row((source.k_major ? elements : source.count) * element_bytes(format_));
  const std::int64_t pieces = packed_units(format_, source.k) / kUnitsPerPiece;
  return std::max<std::int64_t>(1, pieces / lines) * least;
}

void PackAhead::ask_for(std::int64_t index) {
  asked_ = index;
  lines_from_ = static_cast<const char*>(source_of(index).data);
  packed_from_ = packed_ == nullptr ? lines_from_ : reinterpret_cast<const char*>(packed_ + packed_offset(index));
  tiles_left_ = tiles_per_chunk_;
}

/// Rows of a panel of a, columns of one of b, as stored: the last of a has only those that are left, but for AMX.
std::int64_t PackAhead::stored_width(std::int64_t first) const {
  const bool whole = operand_ == Operand::b || format_ == PackFormat::bf16_amx;
  return whole ? width_ : std::min<std::int64_t>(width_, source_.count - first);
}

std::int64_t PackAhead::packed_offset(std::int64_t index) const {
  const std::int64_t first = index / chunks_per_panel_ * width_;
  const std::int64_t unit = index % chunks_per_panel_ * chunk_k_ / elements_per_unit(format_);
  return first * units_ + unit * stored_width(first);
}

void PackAhead::next_chunk() {
  pack_to(asked_);
  if (asked_ + 1 < chunks_) ask_for(asked_ + 1);
}

PackSource PackAhead::source_of(std::int64_t index) const {
  PackSource part = source_;
  const std::int64_t k = index % chunks_per_panel_ * chunk_k_, first = index / chunks_per_panel_ * width_;
  const std::int64_t element = source_.k_major ? first * source_.stride + k : k * source_.stride;
  part.data = static_cast<const char*>(source_.data) + element * element_bytes(format_);
  part.k = std::min(chunk_k_, source_.k - k);
  if (source_.k_major) {
    part.count = std::min<std::int64_t>(width_, source_.count - first);
    part.readable = source_.readable - first;
  }
  return part;
}

void PackAhead::pack_to(std::int64_t end) {
  for (; done_ < end; ++done_) {
    if (packed_ == nullptr) continue;
    const std::int64_t first = done_ / chunks_per_panel_ * width_;
    const std::int64_t unit = done_ % chunks_per_panel_ * chunk_k_ / elements_per_unit(format_);
    const PackedPanels panels(packed_ + first * units_, units_, unit);
    operand_ == Operand::a ? pack_a(format_, source_of(done_), width_, panels)
                           : pack_b(format_, source_of(done_), width_, panels);
  }
}

void PackAhead::finish() {
  while (done_ < chunks_) {
    if (asked_ == done_ && done_ + 1 < chunks_) {
      ask_for(done_ + 1);
      for (const std::int64_t offset : lines_) __builtin_prefetch(lines_from_ + offset, 0, 2);
    }
    pack_to(done_ + 1);
  }
}

void PackAhead::list_lines() {
  const PackSource part = source_of(0);
  const std::int64_t rows = part.k_major ? part.count : part.k, length = part.k_major ? part.k : part.count;
  const std::int64_t bytes = length * element_bytes(format_), stride = part.stride * element_bytes(format_);
  lines_.clear();
  for (std::int64_t byte = 0; byte < bytes; byte += kCacheLine)
    for (std::int64_t row = 0; row < rows; ++row) lines_.push_back(row * stride + byte);
  // Counted from where a row begins, which may be inside a line: its last byte may lie in one more.
  if (bytes % kCacheLine != 0)
    for (std::int64_t row = 0; row < rows; ++row) lines_.push_back(row * stride + bytes - 1);
  packed_lines_.clear();
  if (packed_ == nullptr) return;
  // Seen from the first panel's part.  A shorter last panel's part lies elsewhere in later chunks, by a few lines.
  for (std::int64_t first = 0; first < part.count; first += width_)
    for (std::int64_t unit = 0; unit < packed_units(format_, part.k) * stored_width(first); unit += kCacheLine / 4)
      packed_lines_.push_back((first * units_ + unit) * 4);
}

}  // namespace assay::cpu
