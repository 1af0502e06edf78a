// The container in which nvcc puts device code into an object: a header, then entries of machine code (ELF) and PTX.
#pragma once
#include <string>
#include <vector>

namespace simt::runtime {

struct PtxImage {
  unsigned architecture = 0;   // 80 of compute_80
  bool of_that_alone = false;  // compute_90a: for no later architecture
  std::string text;

  bool runs_on(int compute_capability) const {
    return of_that_alone ? int(architecture) == compute_capability : int(architecture) <= compute_capability;
  }
};

/// What the structure that __cudaRegisterFatBinary receives leads to.  Decompresses (zstd, nvcc 13.0's default).
/// Throws std::runtime_error naming what it cannot read.
std::vector<PtxImage> ptx_images(const void* registered);

}  // namespace simt::runtime
