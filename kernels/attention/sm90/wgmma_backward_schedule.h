// Which query tiles meet which key tiles in wgmma_sm90's backward pass, in which order, and whose turn it is to add to
// a tile of dq.  Arithmetic only, so that plain C++ can test it; C++17, no CUDA.
//
// A unit of work is one key tile of one kv head: a CTA walks over the query tiles that see it, for one query head of
// the group after another.  Units are numbered in sections of a few kv heads: within a section by key tile first, so
// that the CTAs of a moment share what they read (the same queries of the same heads) and, under a causal mask, those
// with most to do, whose keys come first, start first.
//
// Deterministic: the tiles of dq are added to in a fixed order, and a CTA waits for its turn.  It only ever waits for
// units with lower numbers, which run or have run where numbers are drawn at the start of each CTA: no deadlock,
// however CTAs are launched.  Without a mask key tiles add from left to right.  Under a causal one they add from right
// to left, and units are numbered so: all begin at their diagonal, where their turn comes first, and no one waits if
// all run equally fast.
#pragma once
#include <cstdint>

#include "kernels/common/host_device.h"

namespace assay {

/// A sequence, its first rows among all rows of q and of k, and its first tile in the workspaces.
struct BackwardSequence {
  std::int64_t query_row = 0, key_row = 0;
  std::int32_t first_tile = 0, queries = 0, keys = 0;
};

struct BackwardUnit {
  std::int32_t batch = 0, kv_head = 0, key_tile = 0;
};

/// Query tiles begin .. end - 1.
struct QueryTileRange {
  std::int32_t begin = 0, end = 0;
};

/// Which queries see which keys of one key tile; keys count from the tile's first, queries from the sequence's.
struct KeyTileMask {
  std::int32_t keys = 0;   // that exist, perhaps more than the tile has
  std::int32_t shift = 0;  // query i stands at position i + shift
  std::int32_t causal = 0, window = 0;

  /// Whether some of `queries` queries from `first` on is refused some of the tile's `tile_keys` keys.
  ASSAY_HOST_DEVICE constexpr bool refuses(int first, int queries, int tile_keys) const {
    return keys < tile_keys || (causal && first + shift < tile_keys - 1) ||
           (window && first + queries - 1 + shift >= window);
  }
  /// The queries that see `key` are those from first_query on, up to the one before end_query.
  ASSAY_HOST_DEVICE constexpr int first_query(int key) const {
    constexpr int kNever = 1 << 30;
    return key >= keys ? kNever : causal ? key - shift : -kNever;
  }
  ASSAY_HOST_DEVICE constexpr int end_query(int key) const { return window ? key - shift + window : 1 << 30; }
};

struct BackwardSchedule {
  static constexpr int kKeys = 128;  // of a tile, where nothing else is said

  const std::int32_t* q_offsets = nullptr;  // of packed sequences, [batch + 1]; null where all are equally long:
  const std::int32_t* kv_offsets = nullptr;
  std::int32_t seq_q = 1, seq_kv = 1;  // then these say it
  std::int32_t batch = 1, heads = 1, kv_heads = 1, group = 1;
  std::int32_t query_tiles = 1, key_tiles = 1;  // of the longest sequence
  std::int32_t all_query_tiles = 1;             // that the workspaces have for one head
  std::int32_t tile_keys = kKeys;
  std::int32_t section_heads = 1;       // (batch, kv head) pairs of a section
  std::int32_t causal = 0, window = 0;  // window 0: none
  std::int32_t deterministic = 0;

  ASSAY_HOST_DEVICE static constexpr int divide_up(int a, int b) { return (a + b - 1) / b; }
  ASSAY_HOST_DEVICE static constexpr int clamp(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

  /// Tiles of packed sequences begin at multiples of kQueries rows; a sequence's own begin where those of all before it
  /// certainly end.
  template <int kQueries>
  ASSAY_HOST_DEVICE constexpr BackwardSequence sequence(int b) const {
    BackwardSequence s;
    if (q_offsets) {
      s.query_row = q_offsets[b], s.key_row = kv_offsets[b];
      s.queries = q_offsets[b + 1] - q_offsets[b], s.keys = kv_offsets[b + 1] - kv_offsets[b];
      s.first_tile = q_offsets[b] / kQueries + b;
    } else {
      s.query_row = std::int64_t(b) * seq_q, s.key_row = std::int64_t(b) * seq_kv;
      s.queries = seq_q, s.keys = seq_kv;
      s.first_tile = b * query_tiles;
    }
    return s;
  }

  ASSAY_HOST_DEVICE constexpr int units() const { return key_tiles * kv_heads * batch; }

  ASSAY_HOST_DEVICE constexpr BackwardUnit unit(int index) const {
    const int section = index / (section_heads * key_tiles), first = section * section_heads;
    const int rest = index - first * key_tiles;
    const int in_section = clamp(kv_heads * batch - first, 1, section_heads);
    const int n = rest / in_section, head = first + rest % in_section;
    const bool right_to_left = causal && deterministic;
    return {head / kv_heads, head % kv_heads, right_to_left ? key_tiles - 1 - n : n};
  }

  /// The query tiles of which some query sees some key of the tile.
  template <int kQueries>
  ASSAY_HOST_DEVICE constexpr QueryTileRange query_tiles_of(const BackwardSequence& s, int key_tile) const {
    const int first_key = key_tile * tile_keys, tiles = divide_up(s.queries, kQueries);
    if (first_key >= s.keys) return {};
    if (!causal) return {0, tiles};
    const int shift = s.keys - s.queries;  // query i stands at position i + shift
    const int begin = clamp(first_key - shift, 0, s.queries) / kQueries;
    if (!window) return {begin, tiles};
    const int last_key = clamp(first_key + tile_keys, 0, s.keys) - 1;
    return {begin, divide_up(clamp(last_key - shift + window, 0, s.queries), kQueries)};
  }

  ASSAY_HOST_DEVICE constexpr KeyTileMask mask(const BackwardSequence& s, int key_tile) const {
    return {s.keys - key_tile * tile_keys, s.keys - s.queries - key_tile * tile_keys, causal, window};
  }

  /// How many key tiles add to the query tile before this one.
  template <int kQueries>
  ASSAY_HOST_DEVICE constexpr int turn(const BackwardSequence& s, int key_tile, int query_tile) const {
    if (!causal) return key_tile;
    const int last_query = clamp((query_tile + 1) * kQueries, 0, s.queries) - 1;
    const int last_key = clamp(last_query + s.keys - s.queries, 0, s.keys - 1);
    return last_key / tile_keys - key_tile;
  }
};

}  // namespace assay
