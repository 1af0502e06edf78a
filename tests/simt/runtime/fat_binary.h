// The container in which nvcc puts device code into an object: a header, then entries of machine code (ELF) and PTX.
#pragma once
#include <string>
#include <vector>

namespace simt::runtime {

struct PtxImage {
  unsigned architecture = 0;  // 80 of compute_80
  std::string text;
};

/// What the structure that __cudaRegisterFatBinary receives leads to.  Decompresses (zstd, as nvcc 13.0 does by default).
/// Throws std::runtime_error naming what it cannot read.
std::vector<PtxImage> ptx_images(const void* registered);

}  // namespace simt::runtime
