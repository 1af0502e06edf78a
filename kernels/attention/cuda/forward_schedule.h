// Which queries of which head each CTA of a persistent forward pass (wgmma_sm90, tcgen05_sm100) works on, in which
// order, and which keys they see.  Arithmetic only, so that plain C++ can test that every query is computed once.
// C++17, no CUDA.
//
// A unit of work is one query tile of one head.  Units are numbered so that those with most keys come first (of a
// causal mask the last queries), query heads that share keys and values run side by side, and what runs at the same
// time fits the L2 cache: `section_heads` query heads are worked on at a time.  Every other section runs the other way
// round, from few keys to many, so that from unit to unit the lengths never jump; the last one ends with the shortest.
// CTAs take units in turn, from left to right and from right to left by turns: in a round the lengths fall (or rise)
// from the first CTA to the last, so that after two rounds all have done about the same.  Nothing is dealt out at run
// time: the same launch always does the same.
#pragma once
#include <cstdint>

#include "kernels/common/host_device.h"

namespace assay {

/// Consecutive queries of a sequence, and the sequence's keys.
struct AttentionQueryTile {
  std::int64_t lse;         // index in lse of the first query of head 0
  std::int32_t q_row;       // its row of q, counted over all sequences
  std::int32_t queries;     // in this tile, at least 1
  std::int32_t kv_row;      // of the sequence's first key
  std::int32_t keys;        // of the sequence
  std::int32_t position;    // of the first query among the keys (see attention.h); may be negative
  std::int32_t unused = 0;  // 32 bytes
};

/// The key tiles that a query tile walks over: begin .. end - 1.  Of these, all of its queries see every key of
/// unmasked_begin .. unmasked_end - 1 (perhaps none); the others need the mask.
struct AttentionKeyTiles {
  int begin, unmasked_begin, unmasked_end, end;
};

ASSAY_HOST_DEVICE constexpr int clamp_to(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

ASSAY_HOST_DEVICE constexpr AttentionKeyTiles key_tiles(const AttentionQueryTile& tile, int keys_per_tile, bool causal,
                                                        int window) {
  // Of the tile's queries, the first sees the fewest keys to the right and the last the fewest to the left.
  const int most = causal ? clamp_to(tile.position + tile.queries, 0, tile.keys) : tile.keys;
  const int fewest = causal ? clamp_to(tile.position + 1, 0, tile.keys) : tile.keys;
  const int first = window > 0 ? clamp_to(tile.position + 1 - window, 0, most) : 0;
  const int last_first = window > 0 ? clamp_to(tile.position + tile.queries - window, 0, most) : 0;
  AttentionKeyTiles tiles{};
  tiles.begin = first / keys_per_tile;
  tiles.end = (most + keys_per_tile - 1) / keys_per_tile;
  tiles.unmasked_end = clamp_to(fewest / keys_per_tile, tiles.begin, tiles.end);
  tiles.unmasked_begin = clamp_to((last_first + keys_per_tile - 1) / keys_per_tile, tiles.begin, tiles.unmasked_end);
  return tiles;
}

struct AttentionWork {
  AttentionQueryTile tile;
  int head;
};

struct AttentionSchedule {
  static constexpr int kQueries = 128;  // of a tile, where nothing else is said

  const AttentionQueryTile* tiles = nullptr;      // of packed sequences, in order; null where all are equally long:
  std::int32_t batch = 1, seq_q = 1, seq_kv = 1;  //   then these say it
  std::int32_t query_tiles = 1;                   // of one head, over all sequences
  std::int32_t heads = 1;
  std::int32_t section_heads = 1, sections = 1;  // see take_sections
  std::int32_t tile_queries = kQueries;

  /// Works on `query_heads` at a time, once `heads` is known.  Counted here: a division less for threads that have no
  /// register left.
  constexpr void take_sections(std::int32_t query_heads) {
    section_heads = query_heads;
    sections = (heads + query_heads - 1) / query_heads;
  }

  ASSAY_HOST_DEVICE constexpr int units() const { return query_tiles * heads; }

  /// The n-th tile of one head where all sequences are equally long: the last of every sequence, then the last but one.
  ASSAY_HOST_DEVICE constexpr AttentionQueryTile equal_tile(int n) const {
    const int sequence = n % batch, first = ((seq_q + tile_queries - 1) / tile_queries - 1 - n / batch) * tile_queries;
    const int rest = seq_q - first;
    AttentionQueryTile tile{};
    tile.lse = std::int64_t(sequence) * heads * seq_q + first;
    tile.q_row = sequence * seq_q + first;
    tile.queries = rest < tile_queries ? rest : tile_queries;
    tile.kv_row = sequence * seq_kv;
    tile.keys = seq_kv;
    tile.position = first + seq_kv - seq_q;
    return tile;
  }

  ASSAY_HOST_DEVICE constexpr AttentionWork work(int unit) const {
    const int section = unit / (query_tiles * section_heads), first_head = section * section_heads;
    const int in_section = heads - first_head < section_heads ? heads - first_head : section_heads;
    const int rest = unit - query_tiles * first_head;
    const bool forward = (sections - 1 - section) % 2 == 0;
    const int n = forward ? rest / in_section : query_tiles - 1 - rest / in_section;
    return {tiles ? tiles[n] : equal_tile(n), first_head + rest % in_section};
  }

  /// The units of one CTA of `ctas`.
  class Cursor {
   public:
    ASSAY_HOST_DEVICE constexpr Cursor(const AttentionSchedule& schedule, int cta, int ctas)
        : schedule_(schedule), next_(cta), to_next_(2 * (ctas - 1 - cta) + 1), to_after_(2 * cta + 1) {}

    /// False, and `work` unchanged, where nothing is left.
    ASSAY_HOST_DEVICE constexpr bool next(AttentionWork& work) {
      if (next_ >= schedule_.units()) return false;
      work = schedule_.work(next_);
      next_ += to_next_;
      const int step = to_next_;
      to_next_ = to_after_, to_after_ = step;
      return true;
    }

   private:
    const AttentionSchedule& schedule_;
    int next_, to_next_, to_after_;
  };
};

}  // namespace assay
