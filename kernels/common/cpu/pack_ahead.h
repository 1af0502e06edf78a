// Packing in small steps between tiles.  What a step packs, the tiles before it have asked memory for, a few cache
// lines at a time: packing all at once would wait for memory, and asking all at once would make the tiles wait.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/cpu/pack.h"

namespace assay::cpu {

enum class Operand : std::uint8_t { a, b };

class PackAhead {
 public:
  /// `width`: of the panels, in rows of a or columns of b.
  PackAhead(Operand operand, PackFormat format, int width) : operand_(operand), format_(format), width_(width) {}

  /// What to pack from here on, while `tiles` tiles are computed (0: none, finish() packs it in few large chunks, which
  /// keep more of memory's requests under way); panels as pack_a and pack_b lay them out.
  /// `packed` null: memory is only asked for the source.  True if the offsets below have changed.
  bool start(const PackSource& source, std::uint32_t* packed, std::int64_t tiles);

  /// Where the cache lines begin that the next tile is to ask for, and the offsets of all of them.
  const char* lines_from() const { return lines_from_; }
  const std::vector<std::int64_t>& line_offsets() const { return lines_; }
  /// The same of where they will be packed: written without having been asked for, those lines are waited for too.
  const char* packed_from() const { return packed_from_; }
  const std::vector<std::int64_t>& packed_line_offsets() const { return packed_lines_; }

  void after_tile() {
    if (--tiles_left_ == 0) next_chunk();
  }
  void finish();

 private:
  /// Part `index` of the source: a stretch of k of one panel where k is contiguous, else of all panels.
  PackSource source_of(std::int64_t index) const;
  std::int64_t most_units_of_a(const PackSource&, std::int64_t least) const;
  std::int64_t stored_width(std::int64_t first) const;
  std::int64_t packed_offset(std::int64_t index) const;  // in units
  void ask_for(std::int64_t index);
  /// Packs what was asked for before the present chunk, and asks for the one after it.
  void next_chunk();
  void pack_to(std::int64_t end);
  void list_lines();

  Operand operand_;
  PackFormat format_;
  int width_;
  PackSource source_;
  std::uint32_t* packed_ = nullptr;
  std::int64_t units_ = 0;  // of a panel
  std::int64_t chunk_k_ = 1, chunks_per_panel_ = 1;
  std::int64_t chunks_ = 0, asked_ = 0, done_ = 0;
  std::int64_t tiles_per_chunk_ = 1, tiles_left_ = 1;  // for the present chunk
  const char* lines_from_ = nullptr;
  const char* packed_from_ = nullptr;
  std::vector<std::int64_t> lines_, packed_lines_;  // of one chunk
};

}  // namespace assay::cpu
