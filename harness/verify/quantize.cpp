#include "harness/verify/quantize.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "harness/verify/fill.h"
#include "harness/verify/random.h"

namespace assay {
namespace {

constexpr std::int64_t kTile = 128;  // rows and k of the piece one thread works on: a multiple of every block

/// An fp32's bits in a small format, from a table over its upper 16 bits (8 of its significand).  The lower 16 only
/// matter to rounding by whether they are zero, which the lowest bit of the index then says.
class SmallFloatCodes {
 public:
  explicit SmallFloatCodes(DType dtype) {
    for (std::uint32_t upper = 0; upper < codes_.size(); ++upper) {
      const std::uint32_t bits = upper << 16;
      float value;
      std::memcpy(&value, &bits, sizeof value);
      store_element(dtype, &codes_[upper], 0, value);
    }
  }
  std::uint8_t code(float value) const {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return codes_[bits >> 16 | ((bits & 0xffff) != 0)];
  }

 private:
  std::array<std::uint8_t, 0x10000> codes_{};
};

const SmallFloatCodes& codes_of(DType dtype) {
  static const SmallFloatCodes e4m3(DType::e4m3), e5m2(DType::e5m2), e2m1(DType::e2m1);
  return dtype == DType::e4m3 ? e4m3 : dtype == DType::e5m2 ? e5m2 : e2m1;
}

class Quantizer {
 public:
  Quantizer(const OperandFormat& format, Fill fill, std::uint64_t seed, std::uint64_t tensor, ScaledOperand& out)
      : format_(format),
        fill_(fill),
        seed_(seed),
        tensor_(tensor),
        magnitudes_(seed, ~tensor),  // a stream of its own
        codes_(codes_of(format.dtype)),
        out_(out) {}

  void run(int threads) {
    const std::int64_t row_tiles = (format_.rows + kTile - 1) / kTile;
    if (format_.tensor_factor) {
      float largest = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic) reduction(max : largest)
      for (std::int64_t tile = 0; tile < row_tiles; ++tile)
        for_each_tile(tile, [&](const Tile& t) { largest = std::max(largest, largest_of(t, 0, t.rows, 0, t.k)); });
      const double blocks = format_.block_factor == BlockFactor::e4m3 ? info(DType::e4m3).largest : 1;
      if (largest > 0) out_.tensor_factor = float(largest / (blocks * info(format_.dtype).largest));
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (std::int64_t tile = 0; tile < row_tiles; ++tile) for_each_tile(tile, [&](Tile& t) { quantize(t); });
  }

 private:
  struct Tile {
    std::int64_t first_row, first_k, rows, k;
    float value[kTile][kTile];  // [row][k]
  };

  template <class Visit>
  void for_each_tile(std::int64_t row_tile, Visit visit) const {
    const auto tile = std::make_unique<Tile>();
    tile->first_row = row_tile * kTile;
    tile->rows = std::min(kTile, format_.rows - tile->first_row);
    for (tile->first_k = 0; tile->first_k < format_.k; tile->first_k += kTile) {
      tile->k = std::min(kTile, format_.k - tile->first_k);
      draw(*tile);
      visit(*tile);
    }
  }

  void draw(Tile& t) const {
    for (std::int64_t r = 0; r < t.rows; ++r)
      for (std::int64_t p = 0; p < t.k; ++p) {
        const std::int64_t row = t.first_row + r, column = t.first_k + p;
        const float number = fill_value(fill_, seed_, tensor_, row * format_.row_stride + column * format_.k_stride);
        t.value[r][p] = number * magnitude(row, column);
      }
  }

  /// 1/4, 1/2, 1, 2 or 4, the same for all of a block; 1 where blocks have no factors.
  float magnitude(std::int64_t row, std::int64_t column) const {
    if (format_.block_factor == BlockFactor::none) return 1;
    const std::int64_t blocks = (format_.k + format_.block_k - 1) / format_.block_k;
    const std::int64_t block = row / format_.block_rows * blocks + column / format_.block_k;
    return float(1 << magnitudes_.below(5, std::uint64_t(block))) / 4;
  }

  static float largest_of(const Tile& t, std::int64_t row, std::int64_t row_end, std::int64_t k, std::int64_t k_end) {
    float largest = 0;
    for (std::int64_t r = row; r < row_end; ++r)
      for (std::int64_t p = k; p < k_end; ++p) largest = std::max(largest, std::abs(t.value[r][p]));
    return largest;
  }

  void quantize(Tile& t) {
    const bool blocks = format_.block_factor != BlockFactor::none;
    const std::int64_t block_rows = blocks ? format_.block_rows : kTile, block_k = blocks ? format_.block_k : kTile;
    for (std::int64_t r = 0; r < t.rows; r += block_rows)
      for (std::int64_t p = 0; p < t.k; p += block_k) {
        const std::int64_t row_end = std::min(t.rows, r + block_rows), k_end = std::min(t.k, p + block_k);
        const double own =
            blocks ? store_factor(t.first_row + r, t.first_k + p, largest_of(t, r, row_end, p, k_end)) : 1;
        const double factor = own * out_.tensor_factor;
        for (std::int64_t row = r; row < row_end; ++row)
          for (std::int64_t column = p; column < k_end; ++column)
            store(t.first_row + row, t.first_k + column, factor > 0 ? float(t.value[row][column] / factor) : 0.0F);
      }
  }

  /// The factor of the block that begins at (row, column), as stored.
  double store_factor(std::int64_t row, std::int64_t column, float largest) {
    const std::int64_t index = format_.factor_index(row, column / format_.block_k);
    const double wanted = largest > 0 ? double(largest) / info(format_.dtype).largest / out_.tensor_factor : 1;
    void* factors = out_.block_factors.data();
    if (format_.block_factor == BlockFactor::e8m0) {
      static_cast<std::uint8_t*>(factors)[index] = e8m0_at_least(wanted);
      return e8m0_to_double(static_cast<std::uint8_t*>(factors)[index]);
    }
    const DType type = format_.block_factor == BlockFactor::f32 ? DType::f32 : DType::e4m3;
    store_element(type, factors, index, wanted);
    return load_element(type, factors, index);
  }

  void store(std::int64_t row, std::int64_t column, float value) {
    const std::int64_t index = row * format_.row_stride + column * format_.k_stride;
    auto* bytes = reinterpret_cast<std::uint8_t*>(out_.elements.data());
    if (format_.dtype == DType::e2m1)  // a byte is all zeros before its first half is stored, by the same thread
      bytes[index / 2] = std::uint8_t(bytes[index / 2] | (codes_.code(value) & 0xf) << (index % 2 * 4));
    else
      bytes[index] = codes_.code(value);
  }

  const OperandFormat& format_;
  const Fill fill_;
  const std::uint64_t seed_, tensor_;
  const RandomStream magnitudes_;
  const SmallFloatCodes& codes_;
  ScaledOperand& out_;
};

}  // namespace

ScaledOperand quantized_operand(const OperandFormat& format, Fill fill, std::uint64_t seed, std::uint64_t tensor,
                                int threads) {
  ScaledOperand out;
  out.elements.resize(std::size_t(storage_bytes(format.dtype, format.rows * format.k)));
  out.block_factors.resize(std::size_t(format.factor_bytes));
  constexpr std::int64_t kSmall = 1 << 17;  // elements: below, waking threads takes longer than the work
  Quantizer(format, fill, seed, tensor, out).run(format.rows * format.k <= kSmall ? 1 : threads);
  return out;
}

}  // namespace assay
