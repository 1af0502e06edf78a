// The tensor map of bulk tensor copies: the subset of cuTensorMapEncodeTiled that is modelled.
#pragma once
#include "tests/simt/machine/base.h"

namespace simt {

/// What a reduction adds; other element types are moved, not computed with.
enum class MapFormat : std::uint32_t { Bits, F32, F16, Bf16 };

enum class Swizzle : std::uint32_t { None = 0, B32 = 1, B64 = 2, B128 = 3 };

struct alignas(64) TensorMap {  // fills a CUtensorMap, aligned like it
  unsigned char* base = nullptr;
  std::uint32_t rank = 0, elem_bytes = 0;
  std::uint64_t dim[5] = {1, 1, 1, 1, 1};
  std::uint64_t stride[5] = {};  // bytes; stride[0] == elem_bytes
  std::uint32_t box[5] = {1, 1, 1, 1, 1};
  Swizzle swizzle = Swizzle::None;
  MapFormat format = MapFormat::Bits;
  std::uint32_t box_bytes() const;
};

/// Applies the driver's documented constraints; throws Error(Descriptor) where one is violated.
TensorMap encode_tiled(void* base, std::uint32_t rank, std::uint32_t elem_bytes, const std::uint64_t* dim,
                       const std::uint64_t* outer_stride_bytes, const std::uint32_t* box, Swizzle,
                       MapFormat = MapFormat::Bits);

/// A copy of `bytes` consecutive bytes, as a tensor of 16-byte elements.
TensorMap linear_map(void* base, std::uint32_t bytes);

/// to[] += from[], `bytes` of them, each sum rounded once.
void add_elements(MapFormat, unsigned char* to, const unsigned char* from, std::uint32_t bytes);

/// Swizzles permute 16-byte chunks by address bits, whatever the tile's start.
std::uint32_t swizzle_address(std::uint32_t address, Swizzle);

/// Calls f(byte offset in the tile, global address or null where out of bounds) for every element of the box.
template <class F>
void for_each_element(const TensorMap& m, const std::int32_t* coordinate, F f) {
  std::uint32_t count = 1, index[5] = {};
  for (std::uint32_t i = 0; i < m.rank; ++i) count *= m.box[i];
  for (std::uint32_t e = 0; e < count; ++e) {
    unsigned char* global = m.base;
    bool inside = true;
    for (std::uint32_t i = 0; i < m.rank; ++i) {
      const std::int64_t c = std::int64_t(coordinate[i]) + index[i];
      inside &= c >= 0 && c < std::int64_t(m.dim[i]);
      global += c * std::int64_t(m.stride[i]);
    }
    f(e * m.elem_bytes, inside ? global : nullptr);
    for (std::uint32_t i = 0; i < m.rank && ++index[i] == m.box[i]; ++i) index[i] = 0;
  }
}

}  // namespace simt
