#include "harness/train/columns.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace assay {
namespace {

// A page of fp32: below it, a thread's share is not worth its start.
constexpr std::int64_t kZeroPiece = 1024;

/// Calls copy(joint bytes, column bytes, bytes) for each row of each of the columns.
template <class Copy>
void for_each_piece(const std::vector<Columns>& columns, std::int64_t rows, DType dtype, int threads,
                    const Copy& copy) {
  std::int64_t whole = 0;
  for (const Columns& one : columns) whole += storage_bytes(dtype, one.width);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < rows; ++i) {
    std::int64_t at = i * whole;
    for (const Columns& one : columns) {
      const std::int64_t bytes = storage_bytes(dtype, one.width);
      copy(at, static_cast<std::byte*>(one.data) + i * bytes, std::size_t(bytes));
      at += bytes;
    }
  }
}

void expect_cpu(const Target& target) {
  if (target.device != Device::cpu) throw Unsupported("copies between a step's tensors are written for a CPU alone");
}

}  // namespace

std::function<void()> split_columns(const void* joint, std::vector<Columns> to, std::int64_t rows, DType dtype,
                                    const Target& target) {
  expect_cpu(target);
  return [from = static_cast<const std::byte*>(joint), to = std::move(to), rows, dtype, threads = target.threads] {
    for_each_piece(to, rows, dtype, threads, [&](std::int64_t at, std::byte* column, std::size_t bytes) {
      std::memcpy(column, from + at, bytes);
    });
  };
}

std::function<void()> merge_columns(void* joint, std::vector<Columns> from, std::int64_t rows, DType dtype,
                                    const Target& target) {
  expect_cpu(target);
  return [to = static_cast<std::byte*>(joint), from = std::move(from), rows, dtype, threads = target.threads] {
    for_each_piece(from, rows, dtype, threads,
                   [&](std::int64_t at, std::byte* column, std::size_t bytes) { std::memcpy(to + at, column, bytes); });
  };
}

std::function<void()> zero_floats(float* array, std::int64_t count, const Target& target) {
  expect_cpu(target);
  return [array, count, threads = target.threads] {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::int64_t begin = 0; begin < count; begin += kZeroPiece)
      std::memset(array + begin, 0, std::size_t(std::min(kZeroPiece, count - begin)) * sizeof(float));
  };
}

}  // namespace assay
