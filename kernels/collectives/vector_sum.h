// Element-wise sum and copy on the CPU: the inner loops of every collective here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/common/dtype.h"

namespace assay {

/// How results are stored: through the caches, or past them (`streaming`), which spares reading the lines first where
/// nobody reads the result soon, and moving dirty lines between caches that are far apart.
enum class StoreKind : std::uint8_t { cached, streaming };

struct Destination {
  void* to = nullptr;
  StoreKind kind = StoreKind::cached;
};

/// Every destination gets the element-wise sum of all sources (at least one; one is a copy).  f32, bf16 and f16: summed
/// in fp32 in the order of the sources, rounded once, to nearest even.  A copy takes any type of 1, 2 or 4 bytes.
/// Sources may be any of the destinations, element on element.  Where a streaming destination is not aligned to a
/// vector it is a cached one.  Streaming stores are not ordered with what is stored after them: before other cores are
/// told that results are there, complete_streaming_stores().
void sum_elements(DType, std::span<const void* const> sources, std::span<const Destination>, std::int64_t count);

/// `to[i] = a[i] + b[i]`.
void add_elements(DType, const void* a, const void* b, Destination to, std::int64_t count);
void copy_elements(DType, const void* from, Destination to, std::int64_t count);

/// This thread's streaming stores are in memory when this returns.  It waits for them: once a message, not once a
/// piece.
void complete_streaming_stores();

}  // namespace assay
