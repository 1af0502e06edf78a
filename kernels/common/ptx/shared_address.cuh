// Addresses in the shared-memory window, as the PTX instructions in this folder take them.  C++17.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// 32-bit address of `pointer` (which must point into shared memory) in the shared window.
__device__ __forceinline__ std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

/// One declaration for every kernel: the language wants a single type, and swizzled tiles want 1024-byte alignment.
extern __shared__ __align__(1024) unsigned char dynamic_smem_bytes[];

/// The dynamic shared memory of the launch as a `T`, whose size the launch plan must have asked for.
template <class T>
__device__ __forceinline__ T& dynamic_smem() {
  return *reinterpret_cast<T*>(dynamic_smem_bytes);
}

}  // namespace assay::ptx
