// Element-wise sum and copy on the CPU: the inner loops of every all-reduce here.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/common/dtype.h"

namespace assay {

/// How results are stored: through the caches, or past them (`streaming`), which spares reading the lines first where
/// nobody reads the result soon.
enum class StoreKind : std::uint8_t { cached, streaming };

/// `to[i] = a[i] + b[i]`, and the same into `also` where it is not null.  f32 and bf16 (summed in fp32, rounded to
/// nearest even).  Operands may be any of the destinations, element on element.  `kind` says how `to` is stored;
/// `also` is cached.  Streaming stores are complete for other cores when this returns.
void sum_elements(DType, const void* a, const void* b, void* to, void* also, std::int64_t count, StoreKind kind);

/// `to[i] = from[i]`, and the same into `also` where it is not null.
void copy_elements(DType, const void* from, void* to, void* also, std::int64_t count, StoreKind kind);

}  // namespace assay
