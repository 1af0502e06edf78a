// tcgen05_sm100's forward pass on the functional GPU, and the cases that reach every part of it.
#include "kernels/attention/sm100/tcgen05_forward.h"
#include "kernels/attention/sm90/wgmma_forward_model.h"  // defines: packed_query_tiles
#include "tests/simt/attention/forward_kernel.h"
#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {

const int kMultiprocessors = 148;

SimtForward forward_kernel(int multiprocessors, const std::string& ptx) {
  return {[=](const AttentionProblem& p, const AttentionBuffers& buffers, const simt::Options& options,
              simt::DeviceHeap& heap) {
    const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, kSm100ForwardKeys, kSm100ForwardQueries);
    const auto plan = plan_tcgen05_sm100_forward(p, buffers, small_blackwell(multiprocessors),
                                                 tiles.empty() ? nullptr : heap.upload(tiles), encode_tensor_map);
    const auto& module = attention_module(ptx.empty() ? simt::format("tcgen05_forward_%s_sm100", name(p.dtype)) : ptx);
    return simt::launch(module.kernel(plan.kernel), plan, options);
  }};
}

const std::vector<ForwardCase>& forward_cases() {
  static const std::vector<ForwardCase> cases = {
      // Ragged ends, grouped heads; the second query tile has no second half; three tiles of keys; two CTAs.
      {"ragged", forward_problem(1, 3, 1, 300, 333, false, 128), 2},
      // More keys than queries: the halves see different numbers of key tiles; one CTA.
      {"causal", forward_problem(1, 2, 1, 330, 560, true, 128), 1},
      // More queries than keys: tiles, halves and rows that see nothing.
      {"blind", forward_problem(2, 1, 1, 600, 200, true, 128), 1},
      // The window's left edge within a tile that also has the right edge, and beyond it.
      {"window", forward_problem(1, 1, 1, 400, 520, true, 128, 0, 70), 2},
      {"wide_window", forward_problem(1, 2, 2, 270, 650, true, 64, 0, 400), 1},
      // Sequences of no queries, of no keys, of one; ends within tiles.
      {"packed",
       packed_problem(forward_problem(1, 2, 1, 0, 0, true, 128), {300, 0, 1, 40, 64, 16}, {200, 70, 1, 0, 129, 300}),
       2},
      // Maxima that grow by less than is tolerated, and in the next tile by more; by very much; weights that vanish.
      {"rising", forward_problem(1, 2, 1, 140, 640, false, 128), 1, 4},
      {"steep", forward_problem(1, 2, 1, 140, 640, false, 128), 1, 60},
      {"falling", forward_problem(1, 2, 1, 140, 640, false, 128), 1, -200},
      {"narrow", forward_problem(1, 2, 1, 260, 700, false, 64), 1},       // more tiles than stages
      {"short", forward_problem(1, 6, 2, 200, 100, false, 64), 1},        // one tile of keys, unit after unit
      {"latent", forward_problem(1, 2, 2, 140, 300, true, 192, 128), 1},  // DeepSeek's widths, two stages
      {"filled_up", forward_problem(1, 2, 1, 70, 150, true, 96, 72), 1},  // panels partly or wholly missing
  };
  return cases;
}

const std::vector<ForwardCase>& forward_e4m3_cases() {
  static const std::vector<ForwardCase> cases = {
      {"ragged", forward_e4m3_problem(1, 3, 1, 300, 900, false, 128), 2},  // more tiles than stages
      {"causal", forward_e4m3_problem(1, 2, 1, 330, 560, true, 128), 1},
      {"blind", forward_e4m3_problem(2, 1, 1, 600, 200, true, 128), 1},
      {"window", forward_e4m3_problem(1, 1, 1, 400, 520, true, 128, 0, 70), 2},
      {"packed",
       packed_problem(forward_e4m3_problem(1, 2, 1, 0, 0, true, 128), {300, 0, 1, 40, 64, 16},
                      {200, 70, 1, 0, 129, 300}),
       2},
      // Maxima that grow by a bit in every tile: weights between 2^8 and what e4m3 ends at; by so much that every tile
      // rescales what still counts; by very much.
      {"rising", forward_e4m3_problem(1, 2, 1, 140, 640, false, 128), 1, 0.4},
      {"climbing", forward_e4m3_problem(1, 2, 1, 140, 640, false, 128), 1, 7},
      {"steep", forward_e4m3_problem(1, 2, 1, 140, 640, false, 128), 1, 30},
      {"narrow", forward_e4m3_problem(1, 2, 1, 260, 700, true, 64), 1},        // half of every panel is missing
      {"latent", forward_e4m3_problem(1, 2, 2, 140, 600, true, 192, 128), 1},  // DeepSeek's widths
      {"filled_up", forward_e4m3_problem(1, 2, 1, 70, 150, true, 96, 80),
       1},  // dimensions that the panels have and the problem lacks
  };
  return cases;
}

const std::vector<ForwardWidths>& forward_e4m3_widths() {
  static const std::vector<ForwardWidths> widths = {{64, 64}, {128, 128}, {192, 128}};
  return widths;
}

}  // namespace assay
