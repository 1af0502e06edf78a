// Columns on a CPU: a row at a time, rows shared out among the target's threads.
#include <cstddef>
#include <cstring>

#include "kernels/layer/cpu/token_kernels.h"

namespace assay {
namespace {

/// Calls copy(joint bytes, part bytes, bytes) for each part of each row.
template <class Copy>
void for_each_piece(const ColumnsProblem& p, const ColumnsBuffers& b, int threads, const Copy& copy) {
  const std::int64_t whole = storage_bytes(p.dtype, p.width());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t row = 0; row < p.rows; ++row) {
    auto* joint = static_cast<std::byte*>(b.joint) + row * whole;
    for (std::size_t i = 0; i < p.widths.size(); ++i) {
      const std::int64_t bytes = storage_bytes(p.dtype, p.widths[i]);
      copy(joint, static_cast<std::byte*>(b.parts[i]) + row * bytes, std::size_t(bytes));
      joint += bytes;
    }
  }
}

void launch(const ColumnsProblem& p, const ColumnsBuffers& b, const Target& target, Stream) {
  if (p.pass == ColumnsPass::split)
    for_each_piece(p, b, target.threads,
                   [](const std::byte* joint, std::byte* part, std::size_t n) { std::memcpy(part, joint, n); });
  else
    for_each_piece(p, b, target.threads,
                   [](std::byte* joint, const std::byte* part, std::size_t n) { std::memcpy(joint, part, n); });
}

}  // namespace

ColumnsKernel cpu_columns() {
  ColumnsKernel row;
  row.name = "cpu_vector";
  row.dtypes = {DType::f32, DType::bf16};
  row.supports = [](const ColumnsProblem&, const Target&) { return Support::yes(); };
  row.prepare = stateless<ColumnsProblem, ColumnsBuffers>(launch);
  return row;
}

}  // namespace assay
