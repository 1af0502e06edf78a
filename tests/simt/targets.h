// The GPUs that tests on the functional GPU plan for.
#pragma once
#include "kernels/common/kernel.h"

namespace assay {

inline Target gpu_target(int compute_capability, int multiprocessors) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = compute_capability;
  target.multiprocessors = multiprocessors;
  target.shared_bytes_per_block = 232448;  // 227 KiB, on Hopper and Blackwell alike
  return target;
}

/// An H200 with so few multiprocessors that each works on several tiles, one after the other.
inline Target small_hopper(int multiprocessors) { return gpu_target(90, multiprocessors); }
/// A B200 of that kind.
inline Target small_blackwell(int multiprocessors) { return gpu_target(100, multiprocessors); }

}  // namespace assay
