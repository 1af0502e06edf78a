// Which tile tcgen05_sm100 uses for a problem: a model of its time in clocks.  CUDA-free; C++17.
//
// The model.  A CTA multiplies one stage (128 bytes along k) in max(tensor core, L2) clocks:
//   tensor core  four instructions of n / 2 clocks (8192 FLOP per clock and multiprocessor in bf16; the same clocks in
//                every kind, since an instruction's k is 32 bytes in each; sm_103a may reach more in 4 bits with the
//                k of 96 that it alone has, which this kernel does not use)
//   L2           the stage's bytes at kL2BytesPerClock per multiprocessor
// A tile costs its stages or its epilogue, whichever is longer, plus what the overlap of accumulators exposes; an
// epilogue lasts as long as DRAM takes for d (twice where it is added to), shared by all multiprocessors.  Tiles
// come in waves of as many as run at once; filling the pipeline and the last epilogue are paid once.  Where results are
// added into d, k may be split among CTAs (each adds its part), which multiplies the epilogues.
//
// Not measured: no such GPU was at hand.  The constants are stated assumptions, to be replaced by measurements; the
// choice between tiles depends little on them, as the tests show.
#pragma once
#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"

namespace assay {

struct Tcgen05Tile {
  const char* name;
  int ctas;  // that work on one tile
  int m, n;
};

inline constexpr Tcgen05Tile kTcgen05Tiles[] = {
    {"256x256", 2, 256, 256},
    {"256x128", 2, 256, 128},
    {"128x128", 1, 128, 128},
};

struct Tcgen05Choice {
  Tcgen05Tile tile;
  int splits = 1;  // of k
  int k_tiles = 0, k_tiles_per_split = 0;
  std::int64_t items = 0;  // tiles times splits
  int concurrent = 0;      // items that run at once
  double clocks = 0;       // expected
  double efficiency = 0;   // of the tensor cores of all multiprocessors, expected

  std::int64_t waves() const { return (items + concurrent - 1) / concurrent; }
  std::string name() const;  // as GemmProblem::config takes it: "256x256", or "128x128/4" with k split in four
};

/// Whether the tile takes the problem's layout.  An mn-major panel is 128 bytes of m or n: b's 64 columns per CTA of
/// 256x128 are half a panel of 8-bit elements.
bool fits_tcgen05_tile(const GemmProblem&, const Tcgen05Tile&);

/// Every candidate with its expected time, the fastest first.
std::vector<Tcgen05Choice> rate_tcgen05_sm100(const GemmProblem&, const Target&);

/// The fastest (with k split only where that promises 1.5 %), or the one that the problem's `config` names.  Throws
/// std::runtime_error where there is none of that name, or its tile does not take the layout.
Tcgen05Choice choose_tcgen05_sm100(const GemmProblem&, const Target&);

/// The choice in a line for people.
std::string explain_tcgen05_sm100(const GemmProblem&, const Target&);

}  // namespace assay
