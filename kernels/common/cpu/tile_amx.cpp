// The bf16 micro-kernels through AMX (Sapphire Rapids and later): tdpbf16ps multiplies 16 rows of 16 bf16 pairs by 16
// pairs of 16 columns and adds to 16 x 16 fp32 sums, in 16 cycles.
//
// Hazards: tdpbf16ps takes subnormal inputs as zero and flushes subnormal sums, whatever MXCSR says.  Without a
// configuration, and in a thread each has its own, every tile instruction faults: TilesInUse (tile.h) comes first.
// Other libraries of this process configure the registers too, so that no configuration outlives a launch.
#include "kernels/common/cpu/tile_amx.h"

#include <utility>

#include "kernels/common/cpu/tile.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <hwy/base.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

// These functions alone are compiled for AMX and AVX-512: a flag for the whole file would also apply to library
// templates that the linker may pick for every other file.
HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
namespace assay::cpu {
namespace amx_bf16 {

#include "kernels/common/cpu/amx_unit-inl.h"
#include "kernels/common/cpu/tile_amx-inl.h"

struct Amx : AmxUnit {
  using Vec = __m512;
  static constexpr int kLanes = 16;
  static Vec splat(float value) { return _mm512_set1_ps(value); }
  static Vec add(Vec x, Vec y) { return _mm512_add_ps(x, y); }
  static Vec fused_multiply_add(Vec x, Vec y, Vec z) { return _mm512_fmadd_ps(x, y, z); }
  static Vec load_c(const float* c) { return _mm512_loadu_ps(c); }
  static void store_c(float* c, Vec value) { _mm512_storeu_ps(c, value); }
  static void store_bf16(std::uint16_t* to, Vec value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(value));
  }
};

constexpr TileSet kTiles = amx_tile_set<Amx>("AMX BF16");

}  // namespace amx_bf16
}  // namespace assay::cpu
HWY_POP_ATTRIBUTES

namespace assay::cpu {
namespace {

bool cpu_has_amx() {
  constexpr unsigned kBf16 = 1U << 22, kTile = 1U << 24;  // of leaf 7's edx
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & (kBf16 | kTile)) == (kBf16 | kTile);
}

/// Whether the operating system saves the tile registers' state at all.
bool system_saves_tiles() {
  constexpr unsigned kHasXgetbv = 1U << 27;                        // of leaf 1's ecx
  constexpr unsigned kConfiguration = 1U << 17, kData = 1U << 18;  // of XCR0
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kHasXgetbv) == 0) return false;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & (kConfiguration | kData)) == (kConfiguration | kData);
}

/// Linux lets a process touch the 8 KiB of tile data once it has asked, all its threads together.
bool ask_system_for_tiles() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool amx_granted() {
  static const bool granted = cpu_has_amx() && system_saves_tiles() && ask_system_for_tiles();
  return granted;
}

const TileSet* amx_tiles_of_build() { return &amx_bf16::kTiles; }

const TileSet* amx_tiles() {
  // The epilogue wants AVX-512 with its bf16, as bf16_tiles() does.
  return bf16_tiles() != nullptr && amx_granted() ? &amx_bf16::kTiles : nullptr;
}

}  // namespace assay::cpu
#else
namespace assay::cpu {

bool amx_granted() { return false; }
const TileSet* amx_tiles_of_build() { return nullptr; }
const TileSet* amx_tiles() { return nullptr; }

}  // namespace assay::cpu
#endif
