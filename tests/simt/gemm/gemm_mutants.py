#!/usr/bin/env python3
"""Bugs planted in mma_sm80 and simt_f32.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

MMA = "kernels/gemm/sm80/mma.cuh"
SIMT = "kernels/gemm/cuda/simt_f32.cuh"
RASTER = "kernels/gemm/cuda/raster.cuh"

WRONG = "wrong result"
RACE = "data race"
BOUNDS = "out of bounds"
BANKS = "bank conflicts"
ANY_HAZARD = "data race|uninitialised|wrong result"


def suite(probe, arguments, planted):
    """One instance, run on one problem: KERNEL DTYPE LAYOUT M N K."""
    return mutants.Suite(source=f"tests/simt/gemm/probes/{probe}.cu", arch="80", ptx=probe,
                         test=["tests/simt/gemm/gemm_probe", probe] + arguments.split(),
                         mutants=[mutants.Mutant(f"{probe}: {name}", file, old, new, expect=expect, quick=True)
                                  for name, file, old, new, expect in planted])


# 3 x 3 tiles with ragged edges, in two raster groups; five stages' worth of k with a ragged end.
MMA_TN = [
    ("no barrier in the main loop", MMA, "    __syncthreads();  // stage k_tile + 1", "    // stage k_tile + 1",
     ANY_HAZARD),
    ("no barrier before the first fragments", MMA, "  __syncthreads();\n  warp_tile.read(0, stage(0), 0);",
     "  warp_tile.read(0, stage(0), 0);", ANY_HAZARD),
    ("wait one too weak in the loop", MMA, "    warp_tile.multiply(0);\n    ptx::cp_async_wait<Shape::kStages - 2>();",
     "    warp_tile.multiply(0);\n    ptx::cp_async_wait<Shape::kStages - 1>();", ANY_HAZARD),
    ("wait one too weak before the loop", MMA, "  ptx::cp_async_wait<Shape::kStages - 2>();\n  __syncthreads();\n  warp_tile",
     "  ptx::cp_async_wait<Shape::kStages - 1>();\n  __syncthreads();\n  warp_tile", ANY_HAZARD),
    ("no empty group past the end of k", MMA, "    }\n    ptx::cp_async_commit();  // an empty group",
     "    ptx::cp_async_commit();}  // an empty group", ANY_HAZARD),
    ("ring of three where four are in flight", MMA, "return ring + k_tile % Shape::kStages",
     "return ring + k_tile % (Shape::kStages - 1)", RACE),
    ("next stage loaded before the barrier that frees it", MMA, "load_stage(k_tile + Shape::kStages - 1);  // into",
     "load_stage(k_tile + Shape::kStages - 1); if (k_tile == 0) load_stage(Shape::kStages);  // into", "any"),
    ("stage index of the fragments", MMA, "warp_tile.read(1, stage(k_tile), 1);", "warp_tile.read(1, stage(k_tile + 1), 1);", "any"),
    ("fragments of the stage just left", MMA, "warp_tile.read(0, stage(k_tile + 1), 0);",
     "warp_tile.read(0, stage(k_tile), 0);", "any"),
    ("one k step multiplied twice", MMA, "    warp_tile.multiply(1);", "    warp_tile.multiply(0);", WRONG),
    ("swizzle when writing only", MMA,
     "ptx::ldmatrix_x4(block, tile + offset(mn + mn_half * 8 + lane % 8, step * 2 + k_half));",
     "ptx::ldmatrix_x4(block, tile + (mn + mn_half * 8 + lane % 8) * kRowBytes + (step * 2 + k_half) * 16);", WRONG),
    ("consistent swizzle that conflicts", MMA, "kKMajor ? row / 2 % 4 :", "kKMajor ? row % 4 :", BANKS),
    ("a's blocks in b's order", MMA, "load_fragment<true>(a[slot]", "load_fragment<false>(a[slot]", WRONG),
    ("b0 and b1 exchanged", MMA, "b[slot][j / 2][j % 2 * 2], b[slot][j / 2][j % 2 * 2 + 1]",
     "b[slot][j / 2][j % 2 * 2 + 1], b[slot][j / 2][j % 2 * 2]", WRONG),
    ("k step half as long", MMA, "step * 2 + k_half", "step + k_half", WRONG),
    ("edge guard of rows dropped", MMA, "outer_ + i * kRowsPerPass < outer_limit_ ? inner_limit_ - inner_ : 0",
     "inner_limit_ - inner_", BOUNDS),
    ("edge guard of k dropped", MMA, "< outer_limit_ ? inner_limit_ - inner_ : 0", "< outer_limit_ ? 8 : 0",
     "out of bounds|wrong result"),
    ("k position not advanced", MMA, "    (kKMajor ? inner_ : outer_) += Tile::kTileK;\n", "",
     "out of bounds|wrong result"),
    ("pointer not advanced", MMA, "    next_ += kKMajor ? MmaSm80Shape::kTileKBytes : Tile::kTileK * row_bytes_;\n", "",
     WRONG),
    ("accumulator row", MMA, "row0 + i * 16 + half * 8 + lane / 4", "row0 + i * 16 + half * 8 + lane % 8", WRONG),
    ("accumulator column", MMA, "column0 + lane % 4 * 2", "column0 + lane / 8 * 2", WRONG),
    ("two warps on one tile", MMA, "(warp / 4 * 64, warp % 4 * 64)", "(warp / 4 * 64, warp % 2 * 64)", WRONG),
    ("store guard of rows dropped", MMA, "      if (row >= p.m) continue;\n", "", BOUNDS),
    ("raster ignores that the last group is lower", RASTER, "within % rows, within / rows",
     "within % group, within / group", "any"),
    ("raster group not scaled", RASTER, "block / blocks_per_group * group", "block / blocks_per_group", WRONG),
    ("raster row off by one", RASTER, "first_row + within % rows", "first_row + (within + 1) % rows + 1", "any"),
]

MMA_NT = [
    ("no .trans", MMA, "ptx::ldmatrix_x4_trans(block", "ptx::ldmatrix_x4(block", WRONG),
    ("consistent swizzle that conflicts", MMA, "Element::kBytes == 2 ? row % 8", "Element::kBytes == 2 ? row % 4",
     BANKS),
    ("k row by the other half", MMA, "step * 16 + k_half * 8", "step * 16 + mn_half * 8", WRONG),
    ("chunk by the other half", MMA, "mn / 8 + mn_half", "mn / 8 + k_half", WRONG),
    ("d overwritten, not added to", MMA, "if constexpr (Layout::kAccumulate) {  // all reads",
     "if constexpr (false) {  // all reads", WRONG),
    ("store guard of columns dropped", MMA,
     "          if (first + j * 8 < p.n)\n            store_pair(d + j * 8, p.d_pairs, p.n - first - j * 8, sum",
     "            store_pair(d + j * 8, p.d_pairs, p.n - first - j * 8, sum", "any"),
    ("rows of the loader half as far apart", MMA, "next_ + i * kRowsPerPass * row_bytes_",
     "next_ + i * kRowsPerPass / 2 * row_bytes_", WRONG),
]

MMA_TF32 = [
    ("word within the chunk forgotten", MMA, "+ column % 4 * 4", "", WRONG),
    ("consistent swizzle that conflicts", MMA, "row % 4 * 2;", "row % 4;", BANKS),
    ("k half by the wrong register", MMA, "(kMnFirst ? i / 2 : i % 2) * 4 + lane % 4", "(i / 2) * 4 + lane % 4", WRONG),
    ("column by the wrong lanes", MMA, "(kMnFirst ? i % 2 : i / 2) * 8 + lane / 4",
     "(kMnFirst ? i % 2 : i / 2) * 8 + lane % 8", WRONG),
]

MMA_NARROW = [  # odd extents: element by element
    ("high element without its guard", MMA, "valid > 1 ? element[1] : 0", "element[1]", "any"),
    ("low element without its guard", MMA, "valid > 0 ? element[0] : 0", "element[0]", "any"),
    ("elements exchanged", MMA, "high << 16 | low", "low << 16 | high", WRONG),
    ("pair stored where n is odd", MMA, "  if (pairs) {\n    *reinterpret_cast<std::uint32_t*>(d) = packed;",
     "  if (true) {\n    *reinterpret_cast<std::uint32_t*>(d) = packed;", "misaligned"),
    ("second element stored past the row", MMA, "if (columns > 1) d[1] = static_cast<std::uint16_t>(packed >> 16);",
     "d[1] = static_cast<std::uint16_t>(packed >> 16);", "any"),
    ("word within the chunk forgotten", MMA, " + column_bytes_ % 16, next_", ", next_", "any"),
]

SIMT_TN = [
    ("no barrier in the main loop", SIMT, "    }\n    __syncthreads();\n  }", "    }\n  }",
     ANY_HAZARD),
    ("no barrier before the loop", SIMT, "  __syncthreads();\n  for (int k_tile", "  for (int k_tile", ANY_HAZARD),
    ("one buffer for two tiles", SIMT, "loader_b.write(shared_b[buffer ^ 1])", "loader_b.write(shared_b[buffer])",
     RACE),
    ("rows not padded", SIMT, "kPitch = kExtent + 4", "kPitch = kExtent", BANKS),
    ("a warp's stores over 8 rows by 16 of k", SIMT, "threadIdx.x / 2 + v % 2 * 64 : threadIdx.x / 32 + v * 4",
     "threadIdx.x / 4 + v * 32 : threadIdx.x / 32 + v * 4", "any"),
    ("a's reads 32 bytes apart", SIMT, "threadIdx.x % 8 * 4; }", "threadIdx.x % 8 * 8; }", "any"),
    ("guard of the vector load dropped", SIMT, "valid > 0 ? *reinterpret_cast<const float4*>(from)",
     "true ? *reinterpret_cast<const float4*>(from)", BOUNDS),
    ("rows' edge guard dropped", SIMT, "(rows < width_ ? remaining_k_ - columns : 0)", "(remaining_k_ - columns)",
     BOUNDS),
    ("second half of k by the first one's bound", SIMT, "remaining_k_ - columns : 0", "remaining_k_ : 0",
     "out of bounds|wrong result"),
    ("neighbouring rows exchanged", SIMT, "tile[column(v) + i][row(v)] = four[i]",
     "tile[column(v) + i][row(v) ^ 1] = four[i]", WRONG),
    ("last k of a tile skipped", SIMT, "for (int k = 0; k < Shape::kTileK; ++k)",
     "for (int k = 0; k < Shape::kTileK - 1; ++k)", WRONG),
    ("values of this k overwritten by the next one's", SIMT, "thread.read((k + 1) % 2,", "thread.read(k % 2,", WRONG),
    ("first k of a tile not read", SIMT, "    thread.read(0, shared_a[buffer][0], shared_b[buffer][0]);\n", "", WRONG),
    ("second block of rows misplaced", SIMT, "i / 4 * Thread::kRowStride", "i / 4 * Thread::kRowStride / 2", "any"),
    ("second block of columns misplaced", SIMT, "j / 4 * Thread::kColumnStride", "j / 4 * Thread::kColumnStride * 2", "any"),
    ("two warps on one tile", SIMT, "threadIdx.x / 32 % 2 * 64", "threadIdx.x / 64 % 2 * 64", "any"),
    ("store guard of rows dropped", SIMT, "    if (row >= p.m) continue;\n", "", BOUNDS),
    ("pointer not advanced", SIMT, "    next_ += kKMajor ? SimtF32Shape::kTileK : SimtF32Shape::kTileK * pitch_;\n", "",
     WRONG),
]

SIMT_NT = [
    ("d overwritten, not added to", SIMT, "if constexpr (kAccumulate) low += d[0];", "", WRONG),
    ("guard of the scalar load dropped", SIMT, "i < valid ? from[i] : 0.0f", "valid > 0 ? from[i] : 0.0f",
     "out of bounds|wrong result"),
    ("second element added past the row", SIMT, "    if (columns < 2) return;\n", "", "any"),
    ("tile's k stride in memory", SIMT, "SimtF32Shape::kTileK * pitch_;", "SimtF32Shape::kTileK / 2 * pitch_;", WRONG),
    ("rows of a vector's pass twice as far apart", SIMT, "threadIdx.x / 32 + v * 4; }", "threadIdx.x / 32 + v * 4 % 8; }",
     "any"),
]

if __name__ == "__main__":
    mutants.main([
        suite("mma_bf16_tn", "mma_sm80 bf16 tn 264 520 136", MMA_TN),
        suite("mma_bf16_nt", "mma_sm80 bf16 nt 136 264 136", MMA_NT),
        suite("mma_tf32_nt", "mma_sm80 tf32 nt 132 260 68", MMA_TF32),
        suite("mma_f16_nn_narrow", "mma_sm80 f16 nn 131 67 45", MMA_NARROW),
        suite("simt_f32_tn", "simt_f32 f32 tn 132 140 44", SIMT_TN),
        suite("simt_f32_nt_scalar", "simt_f32 f32 nt 131 67 45", SIMT_NT),
    ])
