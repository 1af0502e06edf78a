// A warp-specialised forward pass (wgmma_sm90, tcgen05_sm100) as its tests see it.  Each test program is linked with
// one, by the launch plan of its launcher: sm90/wgmma_forward_on_simt.cpp or sm100/tcgen05_forward_on_simt.cpp.
#pragma once
#include <string>
#include <vector>

#include "tests/simt/attention/attention_on_simt.h"

namespace assay {

/// A small problem that reaches some part of the kernel.
struct ForwardCase {
  const char* name;
  AttentionProblem problem;
  int multiprocessors;
  double rise = 0;  // 0: normal inputs, else rising ones
  AttentionInputs inputs(const AttentionProblem&) const;
};

/// Scores that rise by about `rise` (natural units) per 128 keys in the order of work, right to left.
AttentionInputs rising_inputs(const AttentionProblem&, double rise);

AttentionProblem forward_problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                                 std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim = 0,
                                 std::int64_t window = 0);
AttentionProblem forward_e4m3_problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                                      std::int64_t seq_kv, bool causal, std::int64_t head_dim,
                                      std::int64_t value_dim = 0, std::int64_t window = 0);

inline constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};

// --- what a kernel gives
extern const int kMultiprocessors;  // of the GPU that it is for
/// On a GPU with so many multiprocessors; `ptx`: a file, by default the product's for the problem's type.
SimtForward forward_kernel(int multiprocessors, const std::string& ptx = "");
/// Together they reach every part of the kernel.
const std::vector<ForwardCase>& forward_cases();
/// The same of 8-bit inputs.
const std::vector<ForwardCase>& forward_e4m3_cases();
/// Dimensions of queries and values, of which the kernel has an instance each for 8-bit inputs.
struct ForwardWidths {
  std::int64_t head_dim, value_dim;
};
const std::vector<ForwardWidths>& forward_e4m3_widths();

}  // namespace assay
