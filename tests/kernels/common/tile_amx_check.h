// One AMX tile, packed as the product packs it, against fp64: everything a TileTask can ask for.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/common/cpu/pack.h"
#include "tests/kernels/common/functional_amx.h"

namespace assay::test {

enum class OldC : std::uint8_t { overwritten, added, scaled };

struct AmxTileCase {
  int rows = 32, columns = 32;
  std::int64_t k = 64;
  OldC old_c = OldC::overwritten;
  bool bf16 = false, strided = false, prefetches = false;
};

inline std::string text(const AmxTileCase& c) {
  return fmt::format("{} x {} x {}, c {}{}{}{}", c.rows, c.columns, c.k,
                     c.old_c == OldC::overwritten ? "overwritten"
                     : c.old_c == OldC::added     ? "added to"
                                                  : "scaled",
                     c.bf16 ? ", bf16" : "", c.strided ? ", strided" : "", c.prefetches ? ", prefetching" : "");
}

class AmxTileFixture {
 public:
  explicit AmxTileFixture(const AmxTileCase& what) : what_(what) {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    for (std::uint16_t& x : a_) x = float_to_bf16(normal(engine));
    for (std::uint16_t& x : b_) x = float_to_bf16(normal(engine));
    for (float& x : start_) x = 3 * normal(engine);
    for (float& x : row_scale_) x = normal(engine);
    pack();
  }

  /// The first fault of the set's function for these rows; empty where there is none.
  std::string fault(const cpu::TileSet& tiles) {
    AmxFaults::take();
    c_ = start_;
    bf16_.assign(kRows * kStride, kUntouched);
    compute(tiles);
    if (const std::string refused = AmxFaults::take(); !refused.empty()) return refused;
    for (int r = 0; r < kRows; ++r)
      for (int j = 0; j < kStride; ++j)
        if (const std::string wrong = element_fault(r, j); !wrong.empty()) return wrong;
    return {};
  }

  const std::vector<float>& c() const { return c_; }
  const std::vector<std::uint16_t>& bf16() const { return bf16_; }

 private:
  static constexpr int kRows = 33, kStride = 35;  // a row and three columns more than any tile
  static constexpr std::uint16_t kUntouched = 0x1234;

  void pack() {
    constexpr auto kFormat = cpu::PackFormat::bf16_amx;
    units_ = cpu::packed_units(kFormat, what_.k);
    packed_b_.assign(std::size_t(units_ * 32), kNanPair);
    cpu::pack_b(kFormat, {b_.data(), what_.columns, false, what_.columns, what_.k}, 32, packed_b_.data());
    packed_a_.assign(std::size_t(units_ * 32), kNanPair);
    cpu::pack_a(kFormat, {a_.data(), what_.k, true, what_.rows, what_.k}, 32, packed_a_.data());
    // Rows that are not asked for may hold anything, and must not show.
    for (std::int64_t i = 0; i < units_ * 32; ++i)
      if (i / 16 % 32 >= what_.rows) packed_a_[std::size_t(i)] = kNanPair;
    if (!what_.strided) return;
    std::vector<std::uint32_t> rows(32 * cpu::kStridedRowUnits, kNanPair);
    for (int r = 0; r < what_.rows; ++r)
      for (std::int64_t u = 0; u < units_; ++u)
        rows[std::size_t(r * cpu::kStridedRowUnits + u)] = packed_a_[std::size_t((u / 16 * 32 + r) * 16 + u % 16)];
    packed_a_ = rows;
  }

  void compute(const cpu::TileSet& tiles) {
    const cpu::TilesInUse in_use(tiles);
    const auto function = (what_.strided ? tiles.strided : tiles.packed)[what_.rows - 1];
    // Another tile first: the registers are as a loop over tiles leaves them.
    cpu::TileTask other;
    std::vector<float> elsewhere(kRows * kStride);
    other.units = units_, other.a = packed_a_.data(), other.b = packed_b_.data();
    other.c = elsewhere.data(), other.c_stride = kStride;
    function(other);

    cpu::TileTask task = other;
    task.c = c_.data();
    task.accumulate = what_.old_c != OldC::overwritten;
    task.row_scale = what_.old_c == OldC::scaled ? row_scale_.data() : nullptr;
    if (what_.bf16) task.bf16 = bf16_.data(), task.bf16_stride = kStride;
    const std::vector<cpu::PrefetchStep> steps(std::size_t(units_ / cpu::kUnitsPerPiece));
    if (what_.prefetches) task.prefetch = steps.data();
    for (const char*& from : task.prefetch_from) from = reinterpret_cast<const char*>(c_.data());
    function(task);
  }

  std::string element_fault(int r, int j) const {
    const auto i = std::size_t(r * kStride + j);
    const bool inside = r < what_.rows && j < 32;
    if ((what_.bf16 || !inside) && c_[i] != start_[i]) return fmt::format("c[{}, {}] was written", r, j);
    if (!(what_.bf16 && inside) && bf16_[i] != kUntouched) return fmt::format("bf16[{}, {}] was written", r, j);
    if (!inside) return {};
    const double scale = what_.old_c == OldC::scaled ? row_scale_[std::size_t(r)] : what_.old_c == OldC::added ? 1 : 0;
    double expected = scale * start_[i], magnitude = std::abs(expected);
    for (std::int64_t p = 0; p < what_.k && j < what_.columns; ++p) {
      const double product = double(bf16_to_float(a_[std::size_t(r * what_.k + p)])) *
                             bf16_to_float(b_[std::size_t(p * what_.columns + j)]);
      expected += product, magnitude += std::abs(product);
    }
    const double got = what_.bf16 ? bf16_to_float(bf16_[i]) : c_[i];
    const double allowed = 2 * std::sqrt(double(what_.k)) * unit_roundoff(DType::f32) * magnitude +
                           unit_roundoff(what_.bf16 ? DType::bf16 : DType::f32) * std::abs(expected);
    if (std::abs(got - expected) <= allowed) return {};
    return fmt::format("[{}, {}] is {}, expected {} +- {}", r, j, got, expected, allowed);
  }

  static constexpr std::uint32_t kNanPair = 0xffffffff;

  AmxTileCase what_;
  std::int64_t units_ = 0;
  std::vector<std::uint16_t> a_ = std::vector<std::uint16_t>(std::size_t(what_.rows * what_.k));     // [rows, k]
  std::vector<std::uint16_t> b_ = std::vector<std::uint16_t>(std::size_t(what_.k * what_.columns));  // [k, columns]
  std::vector<float> start_ = std::vector<float>(kRows * kStride), row_scale_ = std::vector<float>(32);
  std::vector<std::uint32_t> packed_a_, packed_b_;
  std::vector<float> c_;
  std::vector<std::uint16_t> bf16_;
};

/// Every number of rows with every way to end a tile; columns and depths of k whole and not.
inline std::vector<AmxTileCase> amx_tile_cases() {
  std::vector<AmxTileCase> cases;
  for (int rows = 1; rows <= 32; ++rows)
    for (const OldC old_c : {OldC::overwritten, OldC::added, OldC::scaled})
      for (const bool bf16 : {false, true})
        for (const bool strided : {false, true}) cases.push_back({rows, 32, 72, old_c, bf16, strided, rows % 2 == 0});
  for (int columns = 1; columns <= 32; ++columns) cases.push_back({19, columns, 40, OldC::added, false, false, true});
  for (const std::int64_t k : {1, 2, 3, 31, 32, 33, 63, 64, 65, 97, 320, 1023})
    for (const bool strided : {false, true}) cases.push_back({32, 32, k, OldC::overwritten, false, strided, true});
  return cases;
}

}  // namespace assay::test
