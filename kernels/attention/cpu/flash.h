// What the two passes of cpu_flash share.
#pragma once
#include <cstdint>
#include <memory>

#include "kernels/attention/attention.h"
#include "kernels/common/cpu/huge_array.h"
#include "kernels/common/cpu/pack.h"

namespace assay::cpu_flash {

constexpr std::int64_t kColumns = cpu::kMaxTileColumns;  // widths and lengths are counted in: whole tiles of any CPU
constexpr std::int64_t kMaxWidth = 256;                  // of a head, for which the blocks' sizes are chosen

constexpr std::int64_t round_down(std::int64_t x, std::int64_t y) { return x / y * y; }
constexpr std::int64_t round_up(std::int64_t x, std::int64_t y) { return (x + y - 1) / y * y; }
constexpr std::int64_t ceil_div(std::int64_t x, std::int64_t y) { return (x + y - 1) / y; }

template <class T>
cpu::HugeArray<T> array(std::int64_t count) {
  return cpu::huge_array<T>(static_cast<std::size_t>(count));
}

inline const char* element(const void* array, std::int64_t index, DType dtype) {
  return static_cast<const char*>(array) + index * static_cast<std::int64_t>(size_bytes(dtype));
}
inline char* element(void* array, std::int64_t index, DType dtype) {
  return static_cast<char*>(array) + index * static_cast<std::int64_t>(size_bytes(dtype));
}

Support supports(const AttentionProblem&, const Target&);
std::unique_ptr<AttentionOperation> make_backward(const AttentionProblem&, int threads, cpu::PackedTiles);

}  // namespace assay::cpu_flash
