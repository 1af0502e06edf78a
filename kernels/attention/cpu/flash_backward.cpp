// Attention backward on the CPU, fp32 and bf16: one pass of five products, p recomputed from lse.
//
//   pack:  of every block of 256 queries of a head, q and do as b operands, once with k along the head's elements and
//          once along the queries (kernels/common/cpu/tile.h); delta = o.do; lse in base 2
//   task:  252 keys (18 tiles) of one key-value head, any thread; k and v packed as a operands
//     for each query head of the group, each block of queries that sees some key of the block:
//       for each tile of 14 keys, its scores in the first-level cache:
//         s^T  [14, 256] = k q^T       dp^T [14, 256] = v do^T       micro-kernel
//         p^T = 2^(s^T - lse), ds^T = p^T (dp^T - delta)             in place (softmax.h); ds^T once more, as b
//         dv   [14, d_v] += p^T do     dk   [14, d]   += ds^T q      micro-kernel: p^T and ds^T are its strided a
//       dq^T [d, 256] += k^T ds        micro-kernel, after the blocks of keys before this one
//     dk, dv rounded once; dq by the last block of keys that its queries see
//
// Scores are transposed because then nothing is turned in the loop: keys along the rows are what dv and dk want of
// p^T and ds^T as a, and the same ds^T, row by row, is the packed b of dq^T.  A step works on 4 packed forms of
// 256 queries, 3 of 252 keys, dk, dv, dq^T and ds: 1.7 MB at width 128 in fp32, 1.1 MB in bf16.  What the second-level
// cache cannot hold of them streams from the third at 5 of its 27 bytes a cycle.
//
// One pass, because a pass for dk and dv and another for dq compute s and dp twice: seven products, at best 5/7 of this
// one's speed.  Its price is that blocks of keys add to the same dq, in fp32: 128 KiB read and written per step of 80
// MFLOP, 1 %.  They add in the order of the keys: each block of queries keeps count of the blocks of keys that it has
// had, and a thread waits for its turn.  Tasks are begun in the order of the keys, all heads of one block of keys
// first, so that turns come without waiting where there are heads enough, and cannot be waited for in a circle.  Where
// blocks begin follows from the sequence alone: the same bits every time, on any number of threads, in any batch.
//
// dk and dv are summed over the query heads of a group in fp32.  In bf16, p and ds are rounded for the second products.
// Shapes and hazard: as forward (flash.cpp).
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/attention/cpu/flash.h"
#include "kernels/attention/cpu/rows.h"
#include "kernels/attention/cpu/softmax.h"

namespace assay::cpu_flash {
namespace {

constexpr std::int64_t kQueries = 256;  // of a block
constexpr std::int64_t kKeys = 252;     // of a block at most; 18 tiles of 14, 21 of 12, 42 of 6
constexpr std::int64_t kScoreStride = cpu::kStridedRowUnits;
static_assert(kScoreStride >= kQueries && kQueries % kColumns == 0);

struct QueryBlock {
  std::int64_t batch, head, first, rows;
  std::int64_t row;     // of the block, among all packed queries
  KeyRange key_blocks;  // that some query sees
  std::int64_t padded() const { return round_up(rows, kColumns); }
};

struct KeyBlock {
  std::int64_t batch, head, index, first, keys;  // head: of keys and values
  KeyRange query_blocks;                         // that see some key
};

/// What one thread works in.
struct Workspace {
  cpu::HugeArray<std::uint32_t> k, v, k_t;  // packed: [keys, d], [keys, d_v], [d, keys]
  cpu::HugeArray<std::uint32_t> ds;         // packed [keys units, queries]
  cpu::HugeArray<float> scores, products;   // [tile rows, kScoreStride]
  cpu::HugeArray<float> dk, dv;             // [keys, d], [keys, d_v]
  cpu::HugeArray<std::uint32_t> turned;     // dq of one block, in panels of columns
  std::int64_t begin[kKeys], end[kKeys];    // queries of the block under work that see each key
};

class CpuFlashBackward final : public AttentionOperation {
 public:
  CpuFlashBackward(const AttentionProblem& problem, int threads, cpu::PackedTiles tiles)
      : p_(problem),
        tiles_(*tiles.tiles),
        format_(tiles.format),
        softmax_(cpu::softmax_for(tiles.format)),
        threads_(std::max(threads, 1)),
        keys_(kKeys / tiles_.rows * tiles_.rows),
        d_(problem.head_dim),
        d_v_(problem.value_dim()),
        d_units_(cpu::packed_units(format_, d_)),
        d_v_units_(cpu::packed_units(format_, d_v_)),
        // Tiles of equal height: 128 rows are ten of 13 rather than nine of 14 and one of two; on AMX, four of all 32.
        turned_rows_(static_cast<int>(ceil_div(d_, ceil_div(d_, tiles_.rows)))),
        workspaces_(static_cast<std::size_t>(threads_)) {
    make_blocks();
    const std::int64_t rows = packed_rows_;
    q_t_ = array<std::uint32_t>(rows * d_units_);
    do_t_ = array<std::uint32_t>(rows * d_v_units_);
    q_ = array<std::uint32_t>(rows / per_unit() * d_);
    do_ = array<std::uint32_t>(rows / per_unit() * d_v_);
    dq_ = array<float>(rows * d_);
    lse2_ = array<float>(rows);
    delta_ = array<float>(rows);
    turns_ = std::vector<std::atomic<std::int64_t>>(query_blocks_.size());
    for (Workspace& w : workspaces_) allocate(w);
  }

  void launch(const AttentionBuffers& buffers, Stream) override {
    std::atomic<std::size_t> next{0};
#pragma omp parallel num_threads(threads_)
    {
      const cpu::TilesInUse in_use(tiles_);
      Workspace& w = workspaces_[static_cast<std::size_t>(omp_get_thread_num())];
#pragma omp for schedule(static)
      for (std::size_t i = 0; i < query_blocks_.size(); ++i) pack_queries(buffers, i, w);
      for (std::size_t i = next++; i < key_blocks_.size(); i = next++) attend(buffers, key_blocks_[i], w);
    }
  }

  std::string description() const override {
    return std::string(tiles_.name) + ", tile " + std::to_string(tiles_.rows) + "x" + std::to_string(tiles_.columns) +
           ", block " + std::to_string(kQueries) + "x" + std::to_string(keys_);
  }

 private:
  std::int64_t per_unit() const { return cpu::elements_per_unit(format_); }

  void allocate(Workspace& w) const {
    const std::int64_t key_units = cpu::packed_units(format_, keys_);
    w.k = array<std::uint32_t>(keys_ * d_units_);
    w.v = array<std::uint32_t>(keys_ * d_v_units_);
    w.k_t = array<std::uint32_t>(key_units * d_);
    w.ds = array<std::uint32_t>(key_units * kQueries);
    // A pair of bf16 rows may have only one that exists.
    w.scores = array<float>((cpu::kMaxTileRows + 1) * kScoreStride);
    w.products = array<float>((cpu::kMaxTileRows + 1) * kScoreStride);
    w.dk = array<float>(keys_ * d_);
    w.dv = array<float>(keys_ * d_v_);
    w.turned = array<std::uint32_t>(kQueries * d_);
  }

  void make_blocks() {
    for (std::int64_t b = 0; b < p_.batch; ++b) {
      first_query_block_.push_back(static_cast<std::int64_t>(query_blocks_.size()));
      for (std::int64_t h = 0; h < p_.heads; ++h)
        for (std::int64_t first = 0; first < p_.queries(b); first += kQueries) {
          QueryBlock block{b, h, first, std::min(kQueries, p_.queries(b) - first), packed_rows_, {}};
          block.key_blocks =
              blocks_of({p_.visible_keys(b, first).begin, p_.visible_keys(b, first + block.rows - 1).end}, keys_);
          packed_rows_ += block.padded();
          query_blocks_.push_back(block);
        }
      for (std::int64_t h = 0; h < p_.kv_heads; ++h)
        for (std::int64_t first = 0; first < p_.keys(b); first += keys_) {
          KeyBlock block{b, h, first / keys_, first, std::min(keys_, p_.keys(b) - first), {}};
          block.query_blocks = blocks_of(
              {p_.seeing_queries(b, first).begin, p_.seeing_queries(b, first + block.keys - 1).end}, kQueries);
          key_blocks_.push_back(block);
        }
    }
    std::stable_sort(key_blocks_.begin(), key_blocks_.end(),
                     [](const KeyBlock& x, const KeyBlock& y) { return x.index < y.index; });
  }

  /// Blocks that hold some of a range.
  static KeyRange blocks_of(const KeyRange& range, std::int64_t size) {
    return range.size() == 0 ? KeyRange{0, 0} : KeyRange{range.begin / size, ceil_div(range.end, size)};
  }

  std::uint32_t* packed_q(const QueryBlock& b) const { return q_.get() + b.row / per_unit() * d_; }
  std::uint32_t* packed_do(const QueryBlock& b) const { return do_.get() + b.row / per_unit() * d_v_; }
  std::uint32_t* packed_q_t(const QueryBlock& b) const { return q_t_.get() + b.row * d_units_; }
  std::uint32_t* packed_do_t(const QueryBlock& b) const { return do_t_.get() + b.row * d_v_units_; }
  float* dq_t(const QueryBlock& b) const { return dq_.get() + b.row * d_; }  // [d, padded queries]

  void pack_queries(const AttentionBuffers& buffers, std::size_t index, Workspace& w) {
    const QueryBlock& block = query_blocks_[index];
    turns_[index].store(block.key_blocks.begin, std::memory_order_relaxed);
    if (block.key_blocks.size() == 0) {  // no key adds to dq
      std::fill_n(dq_t(block), block.padded() * d_, 0.0f);
      return store_dq(buffers, block, w);
    }
    const std::int64_t q_stride = p_.heads * d_, o_stride = p_.heads * d_v_;
    const std::int64_t o_index = p_.o_index(block.batch, block.first, block.head);
    const char* q = element(buffers.q, p_.q_index(block.batch, block.first, block.head), p_.dtype);
    const char* d_o = element(buffers.d_o, o_index, p_.dtype);
    cpu::pack_b(format_, {q, q_stride, true, block.rows, d_}, tiles_.columns, packed_q_t(block));
    cpu::pack_b(format_, {d_o, o_stride, true, block.rows, d_v_}, tiles_.columns, packed_do_t(block));
    cpu::pack_b(format_, {q, q_stride, false, d_, block.rows}, tiles_.columns, packed_q(block));
    cpu::pack_b(format_, {d_o, o_stride, false, d_v_, block.rows}, tiles_.columns, packed_do(block));

    float* lse2 = lse2_.get() + block.row;
    float* delta = delta_.get() + block.row;
    cpu::dot_rows({block.rows, d_v_, p_.dtype, element(buffers.o, o_index, p_.dtype), d_o, o_stride, delta});
    const float* lse = buffers.lse + p_.lse_index(block.batch, block.head, block.first);
    constexpr float kNone = std::numeric_limits<float>::infinity();  // minus it, every score has p = 0
    for (std::int64_t r = 0; r < block.rows; ++r)
      lse2[r] = lse[r] == -kNone ? kNone : lse[r] * std::numbers::log2e_v<float>;
    std::fill_n(lse2 + block.rows, block.padded() - block.rows, kNone);
    std::fill_n(delta + block.rows, block.padded() - block.rows, 0.0f);
  }

  void attend(const AttentionBuffers& buffers, const KeyBlock& keys, Workspace& w) {
    const char* k = element(buffers.k, p_.k_index(keys.batch, keys.first, keys.head), p_.dtype);
    const char* v = element(buffers.v, p_.v_index(keys.batch, keys.first, keys.head), p_.dtype);
    const std::int64_t k_stride = p_.kv_heads * d_, v_stride = p_.kv_heads * d_v_;
    cpu::pack_a(format_, {k, k_stride, true, keys.keys, d_}, tiles_.rows, w.k.get());
    cpu::pack_a(format_, {v, v_stride, true, keys.keys, d_v_}, tiles_.rows, w.v.get());
    cpu::pack_a(format_, {k, k_stride, false, d_, keys.keys}, turned_rows_, w.k_t.get());
    std::fill_n(w.dk.get(), keys.keys * d_, 0.0f);
    std::fill_n(w.dv.get(), keys.keys * d_v_, 0.0f);
    const std::int64_t blocks = ceil_div(p_.queries(keys.batch), kQueries);  // of a head
    for (std::int64_t h = keys.head * p_.group(); h < (keys.head + 1) * p_.group(); ++h)
      for (std::int64_t i = keys.query_blocks.begin; i < keys.query_blocks.end; ++i)
        step(buffers, keys, first_query_block_[static_cast<std::size_t>(keys.batch)] + h * blocks + i, w);
    store(w.dk.get(), keys.keys, d_, static_cast<float>(p_.scale()),
          element(buffers.dk, p_.k_index(keys.batch, keys.first, keys.head), p_.dtype), k_stride);
    store(w.dv.get(), keys.keys, d_v_, 1, element(buffers.dv, p_.v_index(keys.batch, keys.first, keys.head), p_.dtype),
          v_stride);
  }

  /// A block of keys against a block of queries.
  void step(const AttentionBuffers& buffers, const KeyBlock& keys, std::int64_t index, Workspace& w) {
    const QueryBlock& queries = query_blocks_[static_cast<std::size_t>(index)];
    bool whole = keys.keys == keys_ && queries.rows == queries.padded();
    for (std::int64_t j = 0; j < keys.keys; ++j) {
      const KeyRange seeing = p_.seeing_queries(keys.batch, keys.first + j);
      w.begin[j] = std::clamp<std::int64_t>(seeing.begin - queries.first, 0, queries.rows);
      w.end[j] = std::clamp<std::int64_t>(seeing.end - queries.first, 0, queries.rows);
      whole = whole && w.begin[j] == 0 && w.end[j] == queries.rows;
    }
    // dq^T's product reads whole pieces of keys, of which a masked tile may write a part, or none.
    if (!whole) std::fill_n(w.ds.get(), queries.padded() / tiles_.columns * ds_panel(), 0u);
    for (std::int64_t row = 0; row < keys.keys; row += tiles_.rows) {
      const std::int64_t rows = std::min<std::int64_t>(tiles_.rows, keys.keys - row);
      // Later keys are seen by later queries: first row's first to last row's last.
      const KeyRange seeing{round_down(w.begin[row], kColumns), w.end[row + rows - 1]};
      if (w.begin[row] >= seeing.end) continue;
      multiply_scores(queries, row, rows, seeing, w);
      differentiate(queries, row, rows, seeing, whole, w);
      const auto* p = reinterpret_cast<const std::uint32_t*>(w.scores.get());
      const auto* ds = reinterpret_cast<const std::uint32_t*>(w.products.get());
      add_rows(p, packed_do(queries), queries, rows, seeing, d_v_, w.dv.get() + row * d_v_);
      add_rows(ds, packed_q(queries), queries, rows, seeing, d_, w.dk.get() + row * d_);
    }
    add_dq(buffers, keys, index, w);
  }

  /// s^T = k q^T and dp^T = v do^T.
  void multiply_scores(const QueryBlock& queries, std::int64_t row, std::int64_t rows, KeyRange seeing,
                       Workspace& w) const {
    cpu::TileTask task;
    task.c_stride = kScoreStride;
    for (std::int64_t column = seeing.begin; column < seeing.end; column += tiles_.columns) {
      task.units = d_units_;
      task.a = w.k.get() + row * d_units_;
      task.b = packed_q_t(queries) + column * d_units_;
      task.c = w.scores.get() + column;
      tiles_.packed[rows - 1](task);
      task.units = d_v_units_;
      task.a = w.v.get() + row * d_v_units_;
      task.b = packed_do_t(queries) + column * d_v_units_;
      task.c = w.products.get() + column;
      tiles_.packed[rows - 1](task);
    }
  }

  void differentiate(const QueryBlock& queries, std::int64_t row, std::int64_t rows, KeyRange seeing, bool whole,
                     Workspace& w) const {
    cpu::GradientBlock block;
    block.rows = rows;
    block.scores = w.scores.get();
    block.products = w.products.get();
    block.stride = kScoreStride;
    block.all_seen = whole;
    block.begin = w.begin + row;
    block.end = w.end + row;
    block.first = seeing.begin;
    block.last = round_up(seeing.end, kColumns);
    block.scale = static_cast<float>(p_.scale() * std::numbers::log2e);
    block.lse2 = lse2_.get() + queries.row;
    block.delta = delta_.get() + queries.row;
    block.ds_b = w.ds.get() + row / per_unit() * tiles_.columns;
    block.ds_columns = tiles_.columns;
    block.ds_panel = ds_panel();
    softmax_.gradients(block);
  }

  std::int64_t ds_panel() const { return cpu::packed_units(format_, keys_) * tiles_.columns; }

  /// to [rows, width] += a b, over the queries that see some of the rows' keys.
  void add_rows(const std::uint32_t* a, const std::uint32_t* b, const QueryBlock& queries, std::int64_t rows,
                KeyRange seeing, std::int64_t width, float* to) const {
    const std::int64_t first_unit = seeing.begin / per_unit();
    const std::int64_t panel = cpu::packed_units(format_, queries.rows) * tiles_.columns;
    cpu::TileTask task;
    task.units = cpu::packed_units(format_, seeing.size());
    task.a = a + first_unit;
    task.c_stride = width;
    task.accumulate = true;
    for (std::int64_t column = 0; column < width; column += tiles_.columns) {
      task.b = b + column / tiles_.columns * panel + first_unit * tiles_.columns;
      task.c = to + column;
      tiles_.strided[rows - 1](task);
    }
  }

  /// dq^T += k^T ds, when it is this block's turn.
  void add_dq(const AttentionBuffers& buffers, const KeyBlock& keys, std::int64_t index, Workspace& w) {
    const QueryBlock& queries = query_blocks_[static_cast<std::size_t>(index)];
    std::atomic<std::int64_t>& turn = turns_[static_cast<std::size_t>(index)];
    for (std::int64_t now; (now = turn.load(std::memory_order_acquire)) != keys.index;) turn.wait(now);
    for (std::int64_t column = 0; column < queries.padded(); column += tiles_.columns)
      add_dq_columns(keys, queries, column, w);
    if (keys.index + 1 == queries.key_blocks.end) store_dq(buffers, queries, w);
    turn.store(keys.index + 1, std::memory_order_release);
    turn.notify_all();
  }

  void add_dq_columns(const KeyBlock& keys, const QueryBlock& queries, std::int64_t column, const Workspace& w) const {
    KeyRange seen{0, 0};
    if (const std::int64_t last = std::min(column + tiles_.columns, queries.rows) - 1; column <= last)
      seen = {p_.visible_keys(queries.batch, queries.first + column).begin - keys.first,
              p_.visible_keys(queries.batch, queries.first + last).end - keys.first};
    seen = {round_down(std::max<std::int64_t>(seen.begin, 0), cpu::units_per_piece(format_) * per_unit()),
            std::min(seen.end, keys.keys)};
    const std::int64_t first_unit = seen.begin / per_unit(), panel = cpu::packed_units(format_, keys.keys);
    cpu::TileTask task;
    task.units = cpu::packed_units(format_, seen.size());
    task.b = w.ds.get() + column / tiles_.columns * ds_panel() + first_unit * tiles_.columns;
    task.c_stride = queries.padded();
    task.accumulate = keys.index > queries.key_blocks.begin;
    if (task.units == 0 && task.accumulate) return;
    for (std::int64_t row = 0; row < d_; row += turned_rows_) {
      const std::int64_t rows = std::min<std::int64_t>(turned_rows_, d_ - row);
      task.a = w.k_t.get() + row * panel + first_unit * rows;
      task.c = dq_t(queries) + row * queries.padded() + column;
      tiles_.packed[rows - 1](task);
    }
  }

  void store_dq(const AttentionBuffers& buffers, const QueryBlock& block, Workspace& w) const {
    // Packing a b whose k are the queries turns dq^T, in panels of `columns` elements of dq.
    cpu::pack_b(cpu::PackFormat::f32, {dq_t(block), block.padded(), true, d_, block.rows}, tiles_.columns,
                w.turned.get());
    const std::int64_t panel = cpu::packed_units(cpu::PackFormat::f32, block.rows) * tiles_.columns;
    char* to = element(buffers.dq, p_.q_index(block.batch, block.first, block.head), p_.dtype);
    for (std::int64_t column = 0; column < d_; column += tiles_.columns)
      store(reinterpret_cast<const float*>(w.turned.get() + column / tiles_.columns * panel), block.rows,
            tiles_.columns, static_cast<float>(p_.scale()), element(to, column, p_.dtype), p_.heads * d_);
  }

  void store(const float* from, std::int64_t rows, std::int64_t columns, float factor, void* to,
             std::int64_t to_stride) const {
    cpu::store_rows({rows, columns, from, columns, nullptr, factor, p_.dtype, to, to_stride});
  }

  AttentionProblem p_;
  const cpu::TileSet& tiles_;
  cpu::PackFormat format_;
  cpu::Softmax softmax_;
  int threads_;
  std::int64_t keys_;  // of a block
  std::int64_t d_, d_v_, d_units_, d_v_units_;
  int turned_rows_;  // of a tile of dq^T
  std::vector<QueryBlock> query_blocks_;
  std::vector<KeyBlock> key_blocks_;
  std::vector<std::int64_t> first_query_block_;  // [batch]
  std::int64_t packed_rows_ = 0;
  cpu::HugeArray<std::uint32_t> q_t_, do_t_, q_, do_;  // of each block: [d, queries], [d_v, queries], and turned
  cpu::HugeArray<float> dq_, lse2_, delta_;
  std::vector<std::atomic<std::int64_t>> turns_;  // the block of keys that adds to a block of queries next
  std::vector<Workspace> workspaces_;
};

}  // namespace

std::unique_ptr<AttentionOperation> make_backward(const AttentionProblem& problem, int threads,
                                                  cpu::PackedTiles tiles) {
  return std::make_unique<CpuFlashBackward>(problem, threads, tiles);
}

}  // namespace assay::cpu_flash
