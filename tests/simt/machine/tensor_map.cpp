#include "tests/simt/machine/tensor_map.h"

#include "tests/simt/machine/arithmetic.h"

namespace simt {

std::uint32_t swizzle_address(std::uint32_t a, Swizzle s) {
  switch (s) {
    case Swizzle::B128:
      return a ^ (a >> 3 & 0x70);  // bits 4-6 ^= bits 7-9
    case Swizzle::B64:
      return a ^ (a >> 3 & 0x30);  // bits 4-5 ^= bits 7-8
    case Swizzle::B32:
      return a ^ (a >> 3 & 0x10);  // bit 4 ^= bit 7
    case Swizzle::None:
      break;
  }
  return a;
}

std::uint32_t TensorMap::box_bytes() const {
  std::uint32_t bytes = elem_bytes;
  for (std::uint32_t i = 0; i < rank; ++i) bytes *= box[i];
  return bytes;
}

static std::uint32_t widest_row(Swizzle s) {
  switch (s) {
    case Swizzle::B128:
      return 128;
    case Swizzle::B64:
      return 64;
    case Swizzle::B32:
      return 32;
    case Swizzle::None:
      break;
  }
  return 1u << 20;
}

TensorMap encode_tiled(void* base, std::uint32_t rank, std::uint32_t elem_bytes, const std::uint64_t* dim,
                       const std::uint64_t* stride, const std::uint32_t* box, Swizzle swizzle, MapFormat element) {
  const auto bad = [](const std::string& s) { throw Error(Fault::Descriptor, "tensor map: " + s); };
  TensorMap m;
  m.base = static_cast<unsigned char*>(base), m.rank = rank, m.elem_bytes = elem_bytes, m.swizzle = swizzle;
  m.format = element;
  if (rank < 1 || rank > 5) bad(format("rank %u", rank));
  if (reinterpret_cast<std::uintptr_t>(base) % 16) bad("global address not 16-byte aligned");
  for (std::uint32_t i = 0; i < rank; ++i) {
    m.dim[i] = dim[i], m.box[i] = box[i];
    m.stride[i] = i ? stride[i - 1] : elem_bytes;
    if (dim[i] == 0 || dim[i] > 1ull << 32) bad(format("dimension %u is %llu", i, (unsigned long long)dim[i]));
    if (box[i] == 0 || box[i] > 256) bad(format("box dimension %u is %u", i, box[i]));
    if (i && (m.stride[i] % 16 || m.stride[i] >= 1ull << 40))
      bad(format("stride %u is %llu, not a multiple of 16", i, (unsigned long long)m.stride[i]));
  }
  const std::uint32_t inner = box[0] * elem_bytes, limit = widest_row(swizzle);
  if (inner % 16) bad(format("inner box of %u bytes is not a multiple of 16", inner));
  if (inner > limit) bad(format("inner box of %u bytes exceeds the %u-byte swizzle span", inner, limit));
  return m;
}

void add_elements(MapFormat format, unsigned char* to, const unsigned char* from, std::uint32_t bytes) {
  if (format == MapFormat::F32) {
    for (std::uint32_t i = 0; i < bytes; i += 4) {
      float sum, x;
      std::memcpy(&sum, to + i, 4), std::memcpy(&x, from + i, 4);
      sum += x;
      std::memcpy(to + i, &sum, 4);
    }
    return;
  }
  const bool bf16 = format == MapFormat::Bf16;
  for (std::uint32_t i = 0; i < bytes; i += 2) {
    std::uint16_t a, b;
    std::memcpy(&a, to + i, 2), std::memcpy(&b, from + i, 2);
    const double sum = bf16 ? double(bf16_to_f32(a)) + bf16_to_f32(b) : double(f16_to_f32(a)) + f16_to_f32(b);
    a = bf16 ? f64_to_bf16(sum) : f64_to_f16(sum);
    std::memcpy(to + i, &a, 2);
  }
}

TensorMap linear_map(void* base, std::uint32_t bytes) {
  TensorMap m;
  m.base = static_cast<unsigned char*>(base), m.rank = 1, m.elem_bytes = 16;
  m.dim[0] = m.box[0] = bytes / 16, m.stride[0] = 16;
  return m;
}

}  // namespace simt
