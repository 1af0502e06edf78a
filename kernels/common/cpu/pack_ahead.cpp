#include "kernels/common/cpu/pack_ahead.h"

#include <algorithm>

namespace assay::cpu {
namespace {

constexpr std::int64_t kCacheLine = 64;

std::int64_t ceil_div(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }
std::int64_t round_up(std::int64_t x, std::int64_t y) { return ceil_div(x, y) * y; }

int element_bytes(PackFormat format) { return format == PackFormat::f32 ? 4 : 2; }

}  // namespace

void PackAhead::start(const PackSource& source, std::uint32_t* packed, std::int64_t tiles) {
  const std::int64_t panels = source.k_major ? ceil_div(source.count, width_) : 1;
  // As many chunks as tiles, or fewer: a cache line of each row where k is contiguous, else a piece, is the least.
  const std::int64_t least = source.k_major ? kCacheLine / 4 : units_per_piece(format_);
  units_ = packed_units(format_, source.k);
  const std::int64_t units = round_up(ceil_div(units_, std::max<std::int64_t>(1, tiles / panels)), least);
  const bool same_lines = source.k_major == source_.k_major && source.stride == source_.stride &&
                          source.count == source_.count && chunk_k_ == units * elements_per_unit(format_) &&
                          !lines_.empty();
  source_ = source;
  packed_ = packed;
  chunk_k_ = units * elements_per_unit(format_);
  chunks_per_panel_ = ceil_div(source.k, chunk_k_);
  chunks_ = chunks_per_panel_ * panels;
  tiles_per_chunk_ = std::max<std::int64_t>(1, tiles / chunks_);
  done_ = 0;
  ask_for(0);
  if (!same_lines) list_lines();
}

void PackAhead::ask_for(std::int64_t index) {
  asked_ = index;
  lines_from_ = static_cast<const char*>(source_of(index).data);
  tiles_left_ = tiles_per_chunk_;
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
}

}  // namespace assay::cpu
