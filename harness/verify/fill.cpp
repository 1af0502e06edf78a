#include "harness/verify/fill.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "harness/verify/normal_quantile.h"
#include "harness/verify/random.h"

namespace assay {
namespace {

/// Normal numbers from 32 random bits: the quantile at (bits + 1/2) / 2^32, by straight lines between 4096 exact
/// points. The two outermost pieces, where a straight line would be wrong, are computed exactly (one element in 2048).
class NormalTable {
 public:
  NormalTable() {
    for (int i = 1; i < kPieces; ++i) point_[std::size_t(i)] = float(normal_quantile(double(i) / kPieces));
  }
  float value(std::uint32_t bits) const {
    const std::uint32_t piece = bits >> kRestBits;
    if (piece == 0 || piece == kPieces - 1) return float(normal_quantile((bits + 0.5) / 4294967296.0));
    const float rest = float(bits & ((1u << kRestBits) - 1)) / float(1u << kRestBits);  // exact: 20 bits
    return point_[piece] + rest * (point_[piece + 1] - point_[piece]);
  }

 private:
  static constexpr int kPieces = 4096, kRestBits = 20;
  std::array<float, kPieces> point_{};
};

/// Made once: 4095 quantiles take longer than a small tensor.
const NormalTable& normal_table() {
  static const NormalTable table;
  return table;
}

float normal(std::uint64_t bits) { return normal_table().value(std::uint32_t(bits >> 32)); }
float uniform(std::uint64_t bits) { return float(std::int64_t(bits) >> 40) / float(1 << 23); }  // 24 bits, signed
float integer(std::uint64_t bits) { return float(int((bits >> 32) * 5 >> 32) - 2); }
float zero(std::uint64_t) { return 0; }

/// tf32 keeps 10 of fp32's 23 explicit mantissa bits; nearest even, as bf16 does with 7.
float round_to_tf32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
  std::memcpy(&value, &bits, 4);
  return value;
}

struct StoreF32 {
  using Element = float;
  static Element round(float v) { return v; }
};
struct StoreTf32 {
  using Element = float;
  static Element round(float v) { return round_to_tf32(v); }
};
struct StoreBf16 {
  using Element = std::uint16_t;
  static Element round(float v) { return float_to_bf16(v); }
};
struct StoreF16 {
  using Element = std::uint16_t;
  static Element round(float v) { return float_to_f16(v); }
};

template <class Store, float (*distribution)(std::uint64_t)>
void fill_range(void* array, std::int64_t begin, std::int64_t end, const RandomStream& random) {
  auto* out = static_cast<typename Store::Element*>(array);
  for (std::int64_t i = begin; i < end; ++i) out[i] = Store::round(distribution(random.bits(std::uint64_t(i))));
}

using FillRange = void (*)(void*, std::int64_t, std::int64_t, const RandomStream&);

template <class Store>
FillRange fill_for(Fill fill) {
  switch (fill) {
    case Fill::normal:
      return fill_range<Store, normal>;
    case Fill::uniform:
      return fill_range<Store, uniform>;
    case Fill::integers:
      return fill_range<Store, integer>;
    case Fill::zeros:
      return fill_range<Store, zero>;
  }
  throw std::logic_error("fill_array: no such fill");
}

FillRange fill_for(DType dtype, Fill fill) {
  switch (dtype) {
    case DType::f32:
      return fill_for<StoreF32>(fill);
    case DType::tf32:
      return fill_for<StoreTf32>(fill);
    case DType::bf16:
      return fill_for<StoreBf16>(fill);
    case DType::f16:
      return fill_for<StoreF16>(fill);
    case DType::e4m3:
    case DType::e5m2:
    case DType::e2m1:
      break;
  }
  throw std::logic_error("fill_array: no such element type");
}

}  // namespace

float fill_value(Fill fill, std::uint64_t seed, std::uint64_t tensor, std::int64_t index) {
  const std::uint64_t bits = RandomStream(seed, tensor).bits(std::uint64_t(index));
  switch (fill) {
    case Fill::normal:
      return normal(bits);
    case Fill::uniform:
      return uniform(bits);
    case Fill::integers:
      return integer(bits);
    case Fill::zeros:
      return zero(bits);
  }
  throw std::logic_error("fill_value: no such fill");
}

void fill_array(DType dtype, void* array, std::int64_t count, Fill fill, std::uint64_t seed, std::uint64_t tensor,
                int threads) {
  const FillRange fill_part = fill_for(dtype, fill);
  const RandomStream random(seed, tensor);
  constexpr std::int64_t kSmall = 1 << 14;  // below, waking threads takes longer than the work
  if (count <= kSmall) threads = 1;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int part = 0; part < threads; ++part)
    fill_part(array, count / threads * part + std::min<std::int64_t>(part, count % threads),
              count / threads * (part + 1) + std::min<std::int64_t>(part + 1, count % threads), random);
}

}  // namespace assay
