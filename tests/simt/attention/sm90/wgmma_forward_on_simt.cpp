// wgmma_sm90's forward pass on the functional GPU, and the cases that reach every part of it.
#include "kernels/attention/sm90/wgmma_forward.h"
#include "tests/simt/attention/forward_kernel.h"
#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {

const int kMultiprocessors = 132;

SimtForward forward_kernel(int multiprocessors, const std::string& ptx) {
  return {[=](const AttentionProblem& p, const AttentionBuffers& buffers, const simt::Options& options,
              simt::DeviceHeap& heap) {
    const Target target = small_hopper(multiprocessors);
    const std::vector<AttentionQueryTile> tiles =
        packed_query_tiles(p, choose_wgmma_sm90_forward(p, target).instance->keys);
    const auto plan =
        plan_wgmma_sm90_forward(p, buffers, target, tiles.empty() ? nullptr : heap.upload(tiles), encode_tensor_map);
    const auto& module = attention_module(ptx.empty() ? simt::format("wgmma_forward_%s_sm90", name(p.dtype)) : ptx);
    return simt::launch(module.kernel(plan.kernel), plan, options);
  }};
}

const std::vector<ForwardCase>& forward_cases() {
  static const std::vector<ForwardCase> cases = {
      // Ragged ends, grouped heads, three tiles of keys for two query tiles, two CTAs for six units of work.
      {"ragged", forward_problem(1, 3, 1, 200, 333, false, 128), 2},
      // More keys than queries and the other way round: rows that see nothing, tiles that see nothing; one CTA.
      {"causal", forward_problem(1, 2, 1, 150, 460, true, 128), 1},
      {"blind", forward_problem(2, 1, 1, 300, 140, true, 128), 1},
      // The window's left edge within a tile that also has the right edge, and beyond it.
      {"window", forward_problem(1, 1, 1, 300, 420, true, 128, 0, 70), 2},
      {"wide_window", forward_problem(1, 2, 2, 140, 650, true, 128, 0, 400), 1},
      // Sequences of no queries, of no keys, of one; ends within tiles.
      {"packed",
       packed_problem(forward_problem(1, 2, 1, 0, 0, true, 128), {130, 0, 1, 40, 64, 16}, {200, 70, 1, 150, 0, 300}),
       2},
      {"narrow", forward_problem(1, 2, 1, 200, 700, false, 64), 1},       // more tiles than stages
      {"latent", forward_problem(1, 2, 2, 140, 300, true, 192, 128), 1},  // DeepSeek's widths, one buffer of q
      {"wide", forward_problem(1, 2, 1, 140, 200, true, 256), 1},
      {"filled_up", forward_problem(1, 2, 1, 70, 150, true, 96, 72), 1},  // panels partly or wholly missing
  };
  return cases;
}

const std::vector<ForwardCase>& forward_e4m3_cases() {
  static const std::vector<ForwardCase> cases = {
      // More tiles of values than stages; six units of work for two CTAs, so that o's buffer is used again.
      {"ragged", forward_e4m3_problem(1, 3, 1, 200, 800, false, 128), 2},
      {"causal", forward_e4m3_problem(1, 2, 1, 150, 460, true, 128), 1},
      {"blind", forward_e4m3_problem(2, 1, 1, 300, 140, true, 128), 1},
      {"window", forward_e4m3_problem(1, 2, 1, 300, 420, true, 128, 0, 70), 2},
      {"packed",
       packed_problem(forward_e4m3_problem(1, 2, 1, 0, 0, true, 128), {130, 0, 1, 40, 64, 16},
                      {200, 70, 1, 150, 0, 300}),
       2},
      {"narrow", forward_e4m3_problem(1, 2, 1, 200, 700, true, 64), 1},  // panels half empty
      {"wide", forward_e4m3_problem(1, 2, 1, 140, 400, true, 256), 1},   // two panels of 64 keys
      {"filled_up", forward_e4m3_problem(1, 2, 1, 70, 150, true, 96, 80),
       1},  // dimensions that the panels have and the problem lacks
      {"half_wide", forward_e4m3_problem(1, 1, 1, 70, 150, true, 192, 128), 1},
  };
  return cases;
}

const std::vector<ForwardWidths>& forward_e4m3_widths() {
  static const std::vector<ForwardWidths> widths = {{64, 64}, {128, 128}, {256, 256}};
  return widths;
}

}  // namespace assay
