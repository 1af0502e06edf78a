// How wgmma finds its operands in shared memory: arithmetic only, so that plain C++ can test it.  C++17.
//
// Operands lie in rows of 128 bytes under the 128-byte swizzle, as bulk tensor copies with that swizzle write them, at
// addresses that are multiples of 1024.  With e = 128 bytes / element size:
//   k-major    kExtent rows (of m or n), each e elements of k
//   mn-major   panels, kTileK rows (of k) each; a row is e elements of m or n
// The PTX manual's "leading" and "stride" byte offsets lead from one 1024-byte core (8 rows) to the next along the
// contiguous dimension and along the other; a k-major row holds one core, so there `leading` has no meaning.
#pragma once
#include <cstdint>

#include "kernels/common/host_device.h"

namespace assay::ptx {

/// Which dimension is contiguous.  The values are those of wgmma's transposition immediates.
enum class Major { k = 0, mn = 1 };

/// Where the 128-byte swizzle puts the byte at `offset` of a tile of 128-byte rows: 16-byte chunks are exchanged within
/// each row, by the row's number modulo 8.  Also right on whole addresses where the tile's is a multiple of 1024.
ASSAY_HOST_DEVICE constexpr std::uint32_t swizzle_128b(std::uint32_t offset) { return offset ^ (offset >> 3 & 0x70); }

/// The 64-bit matrix descriptor under the 128-byte swizzle; all in bytes.
ASSAY_HOST_DEVICE constexpr std::uint64_t wgmma_descriptor(std::uint32_t shared, std::uint32_t leading,
                                                           std::uint32_t stride) {
  constexpr std::uint64_t kSwizzle128B = 1;
  return std::uint64_t((shared & 0x3ffff) >> 4) | std::uint64_t((leading & 0x3ffff) >> 4) << 16 |
         std::uint64_t((stride & 0x3ffff) >> 4) << 32 | kSwizzle128B << 62;
}

/// The descriptor of what begins `bytes` further on (a multiple of 16), where that is still in the shared memory of the
/// CTA: 32-bit arithmetic, so that the upper half may stay a constant.
ASSAY_HOST_DEVICE constexpr std::uint64_t advance(std::uint64_t descriptor, std::uint32_t bytes) {
  return (descriptor & 0xffffffff00000000) | (static_cast<std::uint32_t>(descriptor) + bytes / 16);
}

/// One operand's tile: kExtent of m or n by 128 bytes (k-major) or kTileK (mn-major) of k.
template <Major kMajor, int kExtent, int kElementBytes>
struct SwizzledTile {
  static constexpr int kRowElements = 128 / kElementBytes;
  static constexpr int kTileK = kRowElements;
  static constexpr int kStepK = 32 / kElementBytes;  // of one wgmma
  static constexpr int kSteps = kTileK / kStepK;
  static constexpr int kBytes = kExtent * 128;
  static constexpr int kPanelBytes = kTileK * 128;                                 // mn-major
  static constexpr int kPanels = kMajor == Major::k ? 1 : kExtent / kRowElements;  // boxes a bulk copy has to load
  static constexpr int kStepBytes = kMajor == Major::k ? 32 : kStepK * 128;        // from one wgmma's k to the next
  static_assert(kMajor == Major::k ? kExtent % 8 == 0 : kExtent % kRowElements == 0);
  static_assert(kMajor == Major::k || kElementBytes == 2, "wgmma takes only 16-bit operands mn-major");

  /// For the rows (or columns) from `mn` on, a multiple of 8 (k-major) or of a panel's width (mn-major), of a tile at
  /// shared address `tile`, and the first step of k.  Each further step adds kDescriptorStep.
  ASSAY_HOST_DEVICE static constexpr std::uint64_t descriptor(std::uint32_t tile, int mn) {
    if (kMajor == Major::k) return wgmma_descriptor(tile + mn * 128, 16, 1024);
    return wgmma_descriptor(tile + mn / kRowElements * kPanelBytes, kPanelBytes, 1024);
  }
  static constexpr std::uint64_t kDescriptorStep = kStepBytes / 16;
};

}  // namespace assay::ptx
