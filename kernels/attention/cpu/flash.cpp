// Attention forward on the CPU, fp32 and bf16: tiled, with online softmax (FlashAttention's order of work).
//
//   pack:  every head's k as the b operand of q k^T, its v as that of p v (kernels/common/cpu/tile.h)
//   task:  one head, a block of up to 126 queries (nine tiles), any thread; the longest tasks first
//     for each block of 512 keys that some query of the block sees:
//       for each tile of 14 queries, its scores in the first-level cache:
//         scores  [14, 512] = q k^T          micro-kernel; tiles of keys that no row sees are left out
//         weights [14, 512] = softmax, in the scores' place, with the running maximum and sum (softmax.h)
//         o       [14, d_v] = o * rescale + weights v      micro-kernel, rescaling in its epilogue
//     o / sum, rounded once; lse = max + ln sum
//
// A block works in its packed q and its o (126 * 2 * 128 * 4 bytes = 126 KiB) and in 512 packed keys and values (512
// KiB in fp32): second-level cache.  Scores are kept in base 2, so that the exponential is one power of two and one
// polynomial.  In bf16, weights are rounded to bf16 for the second product; their sum is of the unrounded ones.
//
// Few queries against many keys: the keys are cut into chunks, each a task of its own, and the parts are put together
// in order.  Where they are cut follows from the sequence's own lengths, so that a result's bits depend neither on the
// threads nor on what else is in the batch.  Blocks of fewer queries, for more tasks than threads, change no bit: rows
// do not meet.
//
// Shapes: head_dim and value_dim each a multiple of 32 up to 256.  Hazard: a tile multiplies weights that are zero
// because a row does not see the key with that key's value; an infinite or NaN value reaches its neighbours' rows.
#include "kernels/attention/cpu/flash.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/attention/cpu/kernels.h"
#include "kernels/attention/cpu/rows.h"
#include "kernels/attention/cpu/softmax.h"

namespace assay {
namespace {

using cpu_flash::array;
using cpu_flash::ceil_div;
using cpu_flash::element;
using cpu_flash::kColumns;
using cpu_flash::round_down;
using cpu_flash::round_up;

constexpr std::int64_t kQueries = 126;  // of a block at most; nine tiles of 14, ten of 12, 21 of 6
constexpr std::int64_t kKeys = 512;
constexpr std::int64_t kScoreStride = cpu::kStridedRowUnits;  // weights are the second product's strided a
static_assert(kScoreStride >= kKeys);
// Keys are cut for sequences of fewer queries than this, into chunks of at least kChunkKeys keys: 64 tasks a head from
// one block of queries, and no more of o to put together than the queries themselves have with one chunk.
constexpr std::int64_t kQueriesToFill = 64 * kQueries;
constexpr std::int64_t kChunkKeys = 4 * kKeys;
constexpr std::int64_t kTasksPerThread = 4;  // at least, where blocks can be made smaller

/// A block of queries of one head, against one chunk of keys.
struct Task {
  std::int64_t batch, head, first, rows;
  KeyRange keys;      // from the first to the last that any row sees in this chunk; empty where none
  std::int64_t part;  // where its sums go, -1: they are the result
};

/// A block of queries whose keys are cut into several tasks.
struct Split {
  Task block;
  std::int64_t first_part, parts;
};

/// What one thread works in.
struct Workspace {
  cpu::HugeArray<std::uint32_t> q;  // packed
  cpu::HugeArray<float> scores;     // [tile rows, kScoreStride]
  cpu::HugeArray<float> o;          // [kQueries, value_dim], not yet divided
  float max[kQueries], sum[kQueries], rescale[kQueries];
  std::int64_t begin[kQueries], end[kQueries];  // keys of the block under work, that each query sees
};

class CpuFlash final : public AttentionOperation {
 public:
  CpuFlash(const AttentionProblem& problem, int threads, cpu::PackedTiles tiles)
      : p_(problem),
        tiles_(*tiles.tiles),
        format_(tiles.format),
        softmax_(cpu::softmax_for(tiles.format)),
        threads_(std::max(threads, 1)),
        dim_units_(cpu::packed_units(format_, problem.head_dim)),
        first_key_(static_cast<std::size_t>(problem.batch) + 1),
        workspaces_(static_cast<std::size_t>(threads_)) {
    for (std::int64_t b = 0; b < p_.batch; ++b)
      first_key_[std::size_t(b) + 1] = first_key_[std::size_t(b)] + padded_keys(b) * p_.kv_heads;
    packed_k_ = array<std::uint32_t>(first_key_.back() * dim_units_);
    packed_v_ = array<std::uint32_t>(first_key_.back() / per_unit() * p_.value_dim());
    block_queries();
    make_tasks();
    parts_ = array<float>(part_count_ * part_floats());
    for (Workspace& w : workspaces_) {
      w.q = array<std::uint32_t>(queries_ * dim_units_);
      w.scores = array<float>(cpu::kMaxTileRows * kScoreStride);
      w.o = array<float>(queries_ * p_.value_dim());
    }
  }

  void launch(const AttentionBuffers& buffers, Stream) override {
#pragma omp parallel num_threads(threads_)
    {
      const cpu::TilesInUse in_use(tiles_);
#pragma omp for schedule(static)
      for (std::size_t i = 0; i < key_blocks_.size(); ++i) pack_keys(buffers, key_blocks_[i]);
#pragma omp for schedule(dynamic, 1)
      for (std::size_t i = 0; i < tasks_.size(); ++i)
        attend(buffers, tasks_[i], workspaces_[static_cast<std::size_t>(omp_get_thread_num())]);
#pragma omp for schedule(dynamic, 1)
      for (std::size_t i = 0; i < splits_.size(); ++i)
        put_together(buffers, splits_[i], workspaces_[static_cast<std::size_t>(omp_get_thread_num())]);
    }
  }

  std::string description() const override {
    return std::string(tiles_.name) + ", tile " + std::to_string(tiles_.rows) + "x" + std::to_string(tiles_.columns) +
           ", block " + std::to_string(queries_) + "x" + std::to_string(kKeys);
  }

 private:
  struct KeyBlock {
    std::int64_t batch, head, first, keys;
  };

  std::int64_t per_unit() const { return cpu::elements_per_unit(format_); }
  std::int64_t padded_keys(std::int64_t b) const { return round_up(p_.keys(b), kColumns); }
  /// Of a sequence's keys; a multiple of kKeys.
  std::int64_t chunk_keys(std::int64_t b) const {
    const std::int64_t keys = std::max<std::int64_t>(p_.keys(b), 1), queries = std::max<std::int64_t>(p_.queries(b), 1);
    const std::int64_t chunks = std::clamp<std::int64_t>(kQueriesToFill / queries, 1, ceil_div(keys, kChunkKeys));
    return round_up(ceil_div(keys, chunks), kKeys);
  }

  /// Blocks as large as leave every thread some tasks.
  void block_queries() {
    for (queries_ = kQueries / tiles_.rows * tiles_.rows; queries_ > 2 * tiles_.rows; queries_ -= tiles_.rows) {
      std::int64_t tasks = 0;
      for (std::int64_t b = 0; b < p_.batch; ++b)
        tasks += p_.heads * ceil_div(p_.queries(b), queries_) * ceil_div(p_.keys(b), chunk_keys(b));
      if (tasks >= kTasksPerThread * threads_) return;
    }
  }

  void make_tasks() {
    for (std::int64_t b = 0; b < p_.batch; ++b) {
      for (std::int64_t h = 0; h < p_.kv_heads; ++h)
        for (std::int64_t first = 0; first < p_.keys(b); first += kKeys)
          key_blocks_.push_back({b, h, first, std::min(kKeys, p_.keys(b) - first)});
      // A head's blocks one after the other: its packed keys and values stay in the last-level cache.
      for (std::int64_t h = 0; h < p_.heads; ++h)
        for (std::int64_t first = 0; first < p_.queries(b); first += queries_)
          add_tasks({b, h, first, std::min(queries_, p_.queries(b) - first), {}, -1});
    }
    const auto work = [](const Task& task) { return task.rows * task.keys.size(); };
    std::stable_sort(tasks_.begin(), tasks_.end(), [&](const Task& x, const Task& y) { return work(x) > work(y); });
  }

  /// The tasks of a block of queries, one for each chunk of keys that it sees something of.
  void add_tasks(Task task) {
    const KeyRange seen{p_.visible_keys(task.batch, task.first).begin,
                        p_.visible_keys(task.batch, task.first + task.rows - 1).end};
    const std::int64_t chunk = chunk_keys(task.batch);
    std::vector<KeyRange> pieces;
    for (std::int64_t at = round_down(seen.begin, chunk); at < seen.end; at += chunk)
      pieces.push_back({std::max(at, seen.begin), std::min(at + chunk, seen.end)});
    if (pieces.empty()) pieces.push_back({0, 0});
    if (pieces.size() > 1) splits_.push_back({task, part_count_, static_cast<std::int64_t>(pieces.size())});
    for (const KeyRange& keys : pieces) {
      task.keys = keys;
      task.part = pieces.size() > 1 ? part_count_++ : -1;
      tasks_.push_back(task);
    }
  }

  /// k as [head_dim units][keys], v as [keys units][value_dim].
  void pack_keys(const AttentionBuffers& buffers, const KeyBlock& k) {
    const std::int64_t k_index = p_.k_index(k.batch, k.first, k.head), v_index = p_.v_index(k.batch, k.first, k.head);
    cpu::pack_b(format_, {element(buffers.k, k_index, p_.dtype), p_.kv_heads * p_.head_dim, true, k.keys, p_.head_dim},
                tiles_.columns, packed_k(k.batch, k.head, k.first));
    cpu::pack_b(format_,
                {element(buffers.v, v_index, p_.dtype), p_.kv_heads * p_.value_dim(), false, p_.value_dim(), k.keys},
                tiles_.columns, packed_v(k.batch, k.head, k.first));
  }
  std::int64_t packed_row(std::int64_t b, std::int64_t h_kv, std::int64_t first) const {
    return first_key_[static_cast<std::size_t>(b)] + h_kv * padded_keys(b) + first;
  }
  std::uint32_t* packed_k(std::int64_t b, std::int64_t h_kv, std::int64_t first) const {
    return packed_k_.get() + packed_row(b, h_kv, first) * dim_units_;
  }
  std::uint32_t* packed_v(std::int64_t b, std::int64_t h_kv, std::int64_t first) const {
    return packed_v_.get() + packed_row(b, h_kv, first) / per_unit() * p_.value_dim();
  }

  void attend(const AttentionBuffers& buffers, const Task& task, Workspace& w) {
    const char* q = element(buffers.q, p_.q_index(task.batch, task.first, task.head), p_.dtype);
    cpu::pack_a(format_, {q, p_.heads * p_.head_dim, true, task.rows, p_.head_dim}, tiles_.rows, w.q.get());
    std::fill_n(w.o.get(), task.rows * p_.value_dim(), 0.0f);
    std::fill_n(w.max, task.rows, -std::numeric_limits<float>::infinity());
    std::fill_n(w.sum, task.rows, 0.0f);
    for (std::int64_t first = round_down(task.keys.begin, kKeys); first < task.keys.end; first += kKeys) {
      const std::int64_t from = std::max<std::int64_t>(task.keys.begin - first, 0);
      const std::int64_t to = std::min(task.keys.end - first, kKeys);
      for (std::int64_t r = 0; r < task.rows; ++r) {
        const KeyRange seen = p_.visible_keys(task.batch, task.first + r);
        w.begin[r] = std::clamp(seen.begin - first, from, to);
        w.end[r] = std::clamp(seen.end - first, from, to);
      }
      attend_block(task, first, w);
    }
    if (task.part >= 0) return store_part(task, w);
    finish(buffers, task, w.o.get(), w.max, w.sum, w.rescale);
  }

  /// Tile by tile, all queries against one block of keys.
  void attend_block(const Task& task, std::int64_t first, Workspace& w) const {
    const std::int64_t h_kv = task.head / p_.group();
    const std::int64_t block_keys = std::min(kKeys, p_.keys(task.batch) - first);
    const std::uint32_t* k = packed_k(task.batch, h_kv, first);
    const std::uint32_t* v = packed_v(task.batch, h_kv, first);
    for (std::int64_t row = 0; row < task.rows; row += tiles_.rows) {
      const std::int64_t rows = std::min<std::int64_t>(tiles_.rows, task.rows - row);
      // Later queries see later keys: the first row's first and the last row's last bound what any row sees.
      const std::int64_t begin = round_down(w.begin[row], kColumns), end = w.end[row + rows - 1];
      if (begin >= end) continue;
      multiply_scores(k, row, rows, begin, end, w);
      weigh(row, rows, begin, end, w);
      multiply_values(v, block_keys, row, rows, begin, end, w);
    }
  }

  void multiply_scores(const std::uint32_t* k, std::int64_t row, std::int64_t rows, std::int64_t begin,
                       std::int64_t end, Workspace& w) const {
    cpu::TileTask task;
    task.units = dim_units_;
    task.a = w.q.get() + row * dim_units_;
    task.c_stride = kScoreStride;
    for (std::int64_t key = begin; key < end; key += tiles_.columns) {
      task.b = k + key * dim_units_;
      task.c = w.scores.get() + key;
      tiles_.packed[rows - 1](task);
    }
  }

  void weigh(std::int64_t row, std::int64_t rows, std::int64_t begin, std::int64_t end, Workspace& w) const {
    cpu::SoftmaxBlock block;
    block.rows = rows;
    block.scores = w.scores.get();
    block.stride = kScoreStride;
    block.begin = w.begin + row;
    block.end = w.end + row;
    block.first = begin;
    block.last = begin + cpu::packed_units(format_, end - begin) * per_unit();
    block.scale = static_cast<float>(p_.scale() * std::numbers::log2e);
    block.max = w.max + row;
    block.sum = w.sum + row;
    block.rescale = w.rescale + row;
    softmax_.weigh(block);
  }

  /// o = o * rescale + weights v, with a block of `keys` packed values.
  void multiply_values(const std::uint32_t* v, std::int64_t keys, std::int64_t row, std::int64_t rows,
                       std::int64_t begin, std::int64_t end, Workspace& w) const {
    const std::int64_t panel = cpu::packed_units(format_, keys) * tiles_.columns, first_unit = begin / per_unit();
    cpu::TileTask task;
    task.units = cpu::packed_units(format_, end - begin);
    // The scores' memory, by now weights in the packed type; the micro-kernel reads it as bytes.
    task.a = reinterpret_cast<const std::uint32_t*>(w.scores.get()) + first_unit;
    task.c_stride = p_.value_dim();
    task.accumulate = true;
    task.row_scale = w.rescale + row;
    for (std::int64_t column = 0; column < p_.value_dim(); column += tiles_.columns) {
      task.b = v + column / tiles_.columns * panel + first_unit * tiles_.columns;
      task.c = w.o.get() + row * p_.value_dim() + column;
      tiles_.strided[rows - 1](task);
    }
  }

  // A part: o [rows, value_dim], then the rows' maxima and sums.
  std::int64_t part_floats() const { return queries_ * (p_.value_dim() + 2); }
  float* part(std::int64_t index) const { return parts_.get() + index * part_floats(); }

  void store_part(const Task& task, const Workspace& w) const {
    float* to = part(task.part);
    std::copy_n(w.o.get(), task.rows * p_.value_dim(), to);
    std::copy_n(w.max, task.rows, to + queries_ * p_.value_dim());
    std::copy_n(w.sum, task.rows, to + queries_ * (p_.value_dim() + 1));
  }

  void put_together(const AttentionBuffers& buffers, const Split& split, Workspace& w) const {
    const std::int64_t rows = split.block.rows, d = p_.value_dim();
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto max = [&](std::int64_t i) { return part(split.first_part + i)[queries_ * d + r]; };
      const auto sum = [&](std::int64_t i) { return part(split.first_part + i)[queries_ * (d + 1) + r]; };
      w.max[r] = max(0);
      for (std::int64_t i = 1; i < split.parts; ++i) w.max[r] = std::max(w.max[r], max(i));
      w.sum[r] = 0;
      float* o = w.o.get() + r * d;
      std::fill_n(o, d, 0.0f);
      for (std::int64_t i = 0; i < split.parts; ++i) {
        if (sum(i) == 0) continue;  // this row saw none of these keys; where it saw none at all, nothing is left
        const float weight = std::exp2(max(i) - w.max[r]);
        const float* from = part(split.first_part + i) + r * d;
        w.sum[r] += weight * sum(i);
        for (std::int64_t c = 0; c < d; ++c) o[c] += weight * from[c];
      }
    }
    finish(buffers, split.block, w.o.get(), w.max, w.sum, w.rescale);
  }

  /// o / sum and lse; `inverse` is room for [rows].
  void finish(const AttentionBuffers& buffers, const Task& task, const float* o, const float* max, const float* sum,
              float* inverse) const {
    float* lse = buffers.lse + p_.lse_index(task.batch, task.head, task.first);
    for (std::int64_t r = 0; r < task.rows; ++r) {
      const bool blind = p_.visible_keys(task.batch, task.first + r).size() == 0;
      inverse[r] = blind ? 0.0f : 1 / sum[r];
      lse[r] = blind ? -std::numeric_limits<float>::infinity() : max[r] * std::numbers::ln2_v<float> + std::log(sum[r]);
    }
    cpu::StoreRows rows;
    rows.rows = task.rows;
    rows.columns = rows.from_stride = p_.value_dim();
    rows.from = o;
    rows.factors = inverse;
    rows.dtype = p_.dtype;
    rows.to = element(buffers.o, p_.o_index(task.batch, task.first, task.head), p_.dtype);
    rows.to_stride = p_.heads * p_.value_dim();
    cpu::store_rows(rows);
  }

  AttentionProblem p_;
  const cpu::TileSet& tiles_;
  cpu::PackFormat format_;
  cpu::Softmax softmax_;
  int threads_;
  std::int64_t queries_ = kQueries;      // of a block
  std::int64_t dim_units_;               // units of a packed row of q or k
  std::vector<std::int64_t> first_key_;  // [batch + 1] of a sequence's heads among all packed keys
  cpu::HugeArray<std::uint32_t> packed_k_, packed_v_;
  std::vector<KeyBlock> key_blocks_;
  std::vector<Task> tasks_;
  std::vector<Split> splits_;
  std::int64_t part_count_ = 0;
  cpu::HugeArray<float> parts_;
  std::vector<Workspace> workspaces_;
};

}  // namespace

namespace cpu_flash {

Support supports(const AttentionProblem& p, const Target&) {
  const AttentionFeatures all{true, true, true, true, true};
  if (const Support features = supports_features(p, all); !features.ok()) return features;
  for (const auto& [what, width] : {std::pair("head_dim ", p.head_dim), std::pair("value_dim ", p.value_dim())})
    if (width < 1 || width % kColumns != 0 || width > kMaxWidth)
      return Support::no(what + std::to_string(width) + " is no multiple of " + std::to_string(kColumns) + " up to " +
                         std::to_string(kMaxWidth));
  if (p.kv_heads < 1 || p.heads % p.kv_heads != 0)
    return Support::no("heads (" + std::to_string(p.heads) + ") is no multiple of kv_heads (" +
                       std::to_string(p.kv_heads) + ")");
  return Support::yes();
}

}  // namespace cpu_flash

std::unique_ptr<AttentionOperation> make_cpu_flash(const AttentionProblem& problem, int threads,
                                                   cpu::PackedTiles tiles) {
  if (problem.pass == AttentionPass::backward) return cpu_flash::make_backward(problem, threads, tiles);
  return std::make_unique<CpuFlash>(problem, threads, tiles);
}

AttentionKernel cpu_flash_attention() {
  AttentionKernel kernel;
  kernel.name = "cpu_flash";
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = cpu_flash::supports;
  kernel.prepare = [](const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>&,
                      Stream) { return make_cpu_flash(problem, target.threads, cpu::best_tiles(problem.dtype)); };
  return kernel;
}

}  // namespace assay
