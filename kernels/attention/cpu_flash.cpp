// Attention forward on the CPU, fp32 and bf16: tiled, with online softmax (FlashAttention's order of work).
//
//   pack:  every head's k as the b operand of q k^T, its v as that of p v (kernels/common/cpu/tile.h)
//   task:  one head, a block of about 128 queries, any thread; the longest tasks of a causal problem first
//     for each block of 512 keys that some query of the block sees:
//       scores  [queries, 512] = q k^T          micro-kernel; tiles that no row sees are left out
//       weights [queries, 512] = softmax, in the scores' place, with the running maximum and sum (cpu_softmax.cpp)
//       o       [queries, d]   = o * rescale + weights v      micro-kernel, rescaling in its epilogue
//     o / sum, rounded once; lse = max + ln sum
//
// A task works in 126 * (528 + 2 * 128) * 4 bytes = 390 KiB: second-level cache, beside the packed k and v it streams.
// Scores are kept in base 2, so that the exponential is one power of two and one polynomial.  In bf16, weights are
// rounded to bf16 for the second product; their sum is of the unrounded ones.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <hwy/aligned_allocator.h>

#include "kernels/attention/cpu_kernels.h"
#include "kernels/attention/cpu_softmax.h"

namespace assay {
namespace {

constexpr std::int64_t kQueries = 128;  // at most, in whole tiles
constexpr std::int64_t kKeys = 512;
constexpr std::int64_t kScoreStride = cpu::kStridedRowUnits;  // weights are the second product's strided a
static_assert(kScoreStride >= kKeys + 16, "softmax reads a whole vector past the keys");
constexpr std::int64_t kKeyPadding = cpu::kMaxTileColumns;  // of a head's packed keys

std::int64_t round_up(std::int64_t x, std::int64_t y) { return (x + y - 1) / y * y; }

template <class T>
hwy::AlignedFreeUniquePtr<T[]> allocate(std::int64_t count) {
  auto memory = hwy::AllocateAligned<T>(static_cast<std::size_t>(count));
  if (!memory) throw std::bad_alloc();
  return memory;
}

/// What one thread works in.
struct Workspace {
  hwy::AlignedFreeUniquePtr<std::uint32_t[]> q;  // packed
  hwy::AlignedFreeUniquePtr<float[]> scores;     // [kQueries, kScoreStride]
  hwy::AlignedFreeUniquePtr<float[]> o;          // [kQueries, head_dim], not yet divided
  float max[kQueries], sum[kQueries], rescale[kQueries];
  std::int64_t keys[kQueries];  // of the block under work, that each query sees
};

/// A block of queries of one head.
struct Task {
  std::int64_t batch, head, first, rows;
};

class CpuFlash final : public AttentionOperation {
 public:
  CpuFlash(const AttentionProblem& problem, int threads, cpu::PackedTiles tiles)
      : p_(problem),
        tiles_(*tiles.tiles),
        format_(tiles.format),
        threads_(std::max(threads, 1)),
        queries_(kQueries / tiles_.rows * tiles_.rows),
        padded_keys_(round_up(problem.seq_kv, kKeyPadding)),
        dim_units_(cpu::packed_units(format_, problem.head_dim)),
        k_units_(padded_keys_ * dim_units_),
        v_units_(padded_keys_ / cpu::elements_per_unit(format_) * problem.head_dim),
        packed_k_(allocate<std::uint32_t>(problem.batch * problem.kv_heads * k_units_)),
        packed_v_(allocate<std::uint32_t>(problem.batch * problem.kv_heads * v_units_)),
        workspaces_(static_cast<std::size_t>(threads_)) {
    for (Workspace& w : workspaces_) {
      w.q = allocate<std::uint32_t>(queries_ * dim_units_);
      w.scores = allocate<float>(kQueries * kScoreStride);
      w.o = allocate<float>(kQueries * problem.head_dim);
      std::fill_n(w.scores.get(), kQueries * kScoreStride, 0.0f);
    }
  }

  void launch(const AttentionBuffers& buffers, Stream) override {
    const std::int64_t heads_kv = p_.batch * p_.kv_heads, key_blocks = (p_.seq_kv + kKeys - 1) / kKeys;
    const std::int64_t heads = p_.batch * p_.heads, query_blocks = (p_.seq_q + queries_ - 1) / queries_;
#pragma omp parallel num_threads(threads_)
    {
      const cpu::TilesInUse in_use(tiles_);
#pragma omp for schedule(static)
      for (std::int64_t i = 0; i < heads_kv * key_blocks; ++i)
        pack_keys(buffers, i / key_blocks, i % key_blocks * kKeys);
#pragma omp for schedule(dynamic, 1)
      for (std::int64_t i = 0; i < heads * query_blocks; ++i) {
        // The last queries see the most keys: they go first, so that no thread ends with a long task.
        const std::int64_t first = (query_blocks - 1 - i / heads) * queries_, head = i % heads;
        attend(buffers, {head / p_.heads, head % p_.heads, first, std::min(queries_, p_.seq_q - first)},
               workspaces_[static_cast<std::size_t>(omp_get_thread_num())]);
      }
    }
  }

  std::string description() const override {
    return std::string(tiles_.name) + ", tile " + std::to_string(tiles_.rows) + "x" + std::to_string(tiles_.columns) +
           ", block " + std::to_string(queries_) + "x" + std::to_string(kKeys);
  }

 private:
  const char* element(const void* array, std::int64_t index) const {
    return static_cast<const char*>(array) + index * static_cast<std::int64_t>(size_bytes(p_.dtype));
  }

  /// Keys first.. of one block: k as [head_dim units][keys], v as [keys units][head_dim].
  void pack_keys(const AttentionBuffers& buffers, std::int64_t head_kv, std::int64_t first) {
    const std::int64_t keys = std::min(kKeys, p_.seq_kv - first), stride = p_.kv_heads * p_.head_dim;
    const std::int64_t index = p_.k_index(head_kv / p_.kv_heads, first, head_kv % p_.kv_heads);
    cpu::pack_b(format_, {element(buffers.k, index), stride, true, keys, p_.head_dim}, tiles_.columns,
                packed_k_.get() + head_kv * k_units_ + first * dim_units_);
    cpu::pack_b(format_, {element(buffers.v, index), stride, false, p_.head_dim, keys}, tiles_.columns,
                packed_v_.get() + head_kv * v_units_ + v_offset(first));
  }

  std::int64_t v_offset(std::int64_t first_key) const {
    return first_key / cpu::elements_per_unit(format_) * p_.head_dim;
  }

  void attend(const AttentionBuffers& buffers, const Task& task, Workspace& w) {
    const std::int64_t index = p_.q_index(task.batch, task.first, task.head);
    cpu::pack_a(format_, {element(buffers.q, index), p_.heads * p_.head_dim, true, task.rows, p_.head_dim}, tiles_.rows,
                w.q.get());
    std::fill_n(w.o.get(), task.rows * p_.head_dim, 0.0f);
    std::fill_n(w.max, task.rows, -std::numeric_limits<float>::infinity());
    std::fill_n(w.sum, task.rows, 0.0f);

    const std::int64_t head_kv = task.batch * p_.kv_heads + task.head / (p_.heads / p_.kv_heads);
    const std::int64_t seen =
        p_.visible_keys(task.batch, task.first + task.rows - 1).end;  // no earlier query sees more
    for (std::int64_t first = 0; first < seen; first += kKeys) {
      for (std::int64_t r = 0; r < task.rows; ++r)
        w.keys[r] = std::clamp<std::int64_t>(p_.visible_keys(task.batch, task.first + r).end - first, 0, kKeys);
      multiply_scores(packed_k_.get() + head_kv * k_units_ + first * dim_units_, task.rows, w);
      for (std::int64_t r = 0; r < task.rows; r += tiles_.rows)
        weigh(r, std::min<std::int64_t>(tiles_.rows, task.rows - r), w);
      multiply_values(packed_v_.get() + head_kv * v_units_ + v_offset(first), std::min(kKeys, p_.seq_kv - first),
                      task.rows, w);
    }
    finish(buffers, task, w);
  }

  /// Keys that some row of the tile starting at `row` sees: its last row's.
  static std::int64_t tile_keys(const Workspace& w, std::int64_t row, std::int64_t rows) {
    return w.keys[row + rows - 1];
  }

  /// scores = q k^T, tile by tile; a tile of keys stays in the first-level cache for all queries.
  void multiply_scores(const std::uint32_t* k, std::int64_t queries, Workspace& w) const {
    for (std::int64_t key = 0; key < w.keys[queries - 1]; key += tiles_.columns)
      for (std::int64_t row = 0; row < queries; row += tiles_.rows) {
        const std::int64_t rows = std::min<std::int64_t>(tiles_.rows, queries - row);
        if (key >= tile_keys(w, row, rows)) continue;
        cpu::TileTask task;
        task.units = dim_units_;
        task.a = w.q.get() + row * dim_units_;
        task.b = k + key * dim_units_;
        task.c = w.scores.get() + row * kScoreStride + key;
        task.c_stride = kScoreStride;
        tiles_.packed[rows - 1](task);
      }
  }

  void weigh(std::int64_t row, std::int64_t rows, Workspace& w) const {
    cpu::SoftmaxBlock block;
    block.rows = rows;
    block.scores = w.scores.get() + row * kScoreStride;
    block.stride = kScoreStride;
    block.keys = w.keys + row;
    block.padded_keys = weight_units(w, row, rows) * cpu::elements_per_unit(format_);
    block.scale = static_cast<float>(p_.scale() * std::numbers::log2e);
    block.bf16 = cpu::elements_per_unit(format_) == 2;
    block.max = w.max + row;
    block.sum = w.sum + row;
    block.rescale = w.rescale + row;
    cpu::softmax_block(block);
  }

  std::int64_t weight_units(const Workspace& w, std::int64_t row, std::int64_t rows) const {
    return cpu::packed_units(format_, tile_keys(w, row, rows));
  }

  /// o = o * rescale + weights v, for a block of `keys` packed values.
  void multiply_values(const std::uint32_t* v, std::int64_t keys, std::int64_t queries, Workspace& w) const {
    const std::int64_t panel = cpu::packed_units(format_, keys) * tiles_.columns;
    for (std::int64_t column = 0; column < p_.head_dim; column += tiles_.columns)
      for (std::int64_t row = 0; row < queries; row += tiles_.rows) {
        const std::int64_t rows = std::min<std::int64_t>(tiles_.rows, queries - row);
        cpu::TileTask task;
        task.units = weight_units(w, row, rows);
        if (task.units == 0) continue;
        // The scores' memory, by now weights in the packed type; the micro-kernel reads it as bytes.
        task.a = reinterpret_cast<const std::uint32_t*>(w.scores.get() + row * kScoreStride);
        task.b = v + column / tiles_.columns * panel;
        task.c = w.o.get() + row * p_.head_dim + column;
        task.c_stride = p_.head_dim;
        task.accumulate = true;
        task.row_scale = w.rescale + row;
        tiles_.strided[rows - 1](task);
      }
  }

  void finish(const AttentionBuffers& buffers, const Task& task, const Workspace& w) const {
    for (std::int64_t r = 0; r < task.rows; ++r) {
      const std::int64_t query = task.first + r;
      const bool blind = p_.visible_keys(task.batch, query).size() == 0;
      const float inverse = blind ? 0.0f : 1 / w.sum[r];
      const std::int64_t index = p_.q_index(task.batch, query, task.head);
      const float* o = w.o.get() + r * p_.head_dim;
      if (p_.dtype == DType::f32)
        for (std::int64_t c = 0; c < p_.head_dim; ++c) static_cast<float*>(buffers.o)[index + c] = o[c] * inverse;
      else
        for (std::int64_t c = 0; c < p_.head_dim; ++c)
          static_cast<std::uint16_t*>(buffers.o)[index + c] = float_to_bf16(o[c] * inverse);
      buffers.lse[(task.batch * p_.heads + task.head) * p_.seq_q + query] =
          blind ? -std::numeric_limits<float>::infinity() : w.max[r] * std::numbers::ln2_v<float> + std::log(w.sum[r]);
    }
  }

  AttentionProblem p_;
  const cpu::TileSet& tiles_;
  cpu::PackFormat format_;
  int threads_;
  std::int64_t queries_;                                            // of a block
  std::int64_t padded_keys_;                                        // of a head
  std::int64_t dim_units_;                                          // units of a packed row of q or k
  std::int64_t k_units_, v_units_;                                  // of one head
  hwy::AlignedFreeUniquePtr<std::uint32_t[]> packed_k_, packed_v_;  // [batch * kv_heads][k_units_], [..][v_units_]
  std::vector<Workspace> workspaces_;
};

Support supports(const AttentionProblem& problem, const Target&) {
  if (const Support features = supports_features(problem, {}); !features.ok()) return features;
  if (problem.head_dim != 64 && problem.head_dim != 128)
    return Support::no("head_dim " + std::to_string(problem.head_dim) + " is neither 64 nor 128");
  if (problem.kv_heads < 1 || problem.heads % problem.kv_heads != 0)
    return Support::no("heads (" + std::to_string(problem.heads) + ") is no multiple of kv_heads (" +
                       std::to_string(problem.kv_heads) + ")");
  return Support::yes();
}

}  // namespace

std::unique_ptr<AttentionOperation> make_cpu_flash(const AttentionProblem& problem, int threads,
                                                   cpu::PackedTiles tiles) {
  return std::make_unique<CpuFlash>(problem, threads, tiles);
}

AttentionKernel cpu_flash_attention() {
  AttentionKernel kernel;
  kernel.name = "cpu_flash";
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = supports;
  kernel.prepare = [](const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>&,
                      Stream) { return make_cpu_flash(problem, target.threads, cpu::best_tiles(problem.dtype)); };
  return kernel;
}

}  // namespace assay
