// The contract of grouped GEMM: the experts' linear layers in a mixture of experts, on one rank.  Each group is one
// expert's weights with the rows (tokens) that were routed to it; all groups are one launch.
//
//   pass     computes, for each group e      a                    b                  d
//   forward  Y_e  = X_e W_e^T                X   [tokens, k]      W [groups, n, k]   Y   [tokens, n]
//   dgrad    dX_e = dY_e W_e                 dY  [tokens, n]      W [groups, n, k]   dX  [tokens, k]
//   wgrad    dW_e += dY_e^T X_e              dY  [tokens, n]      X [tokens, k]      dW  [groups, n, k] fp32
//
// Forward and dgrad are m-grouped (groups differ in m), wgrad is k-grouped.  n and k are the weights' extents in every
// pass.  Row-major, leading dimensions packed, element types as in gemm.h.
//
// Tokens lie sorted by group.  Each group starts at a multiple of kGroupAlignment rows; the rows between its last token
// and the next group are padding: zero in a and b, and unspecified in d, where a kernel may write them.  A group
// without tokens takes no rows at all.  Its dW must stay as it was.
//
// FLOP = 2 n k (tokens that are not padding).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/kernel.h"
#include "kernels/gemm/gemm.h"
#include "kernels/grouped_gemm/grouped_alignment.h"

namespace assay {

enum class GroupedPass : std::uint8_t { forward, dgrad, wgrad };

constexpr const char* name(GroupedPass p) {
  return p == GroupedPass::forward ? "forward" : p == GroupedPass::dgrad ? "dgrad" : "wgrad";
}
/// False where no pass has that name.
bool parse_pass(std::string_view text, GroupedPass& out);

struct GroupedGemmProblem {
  GroupedPass pass = GroupedPass::forward;
  std::int64_t n = 1, k = 1;       // each at least 1
  std::vector<std::int64_t> rows;  // tokens of each group, known to the host as they are to the frameworks that plan it
  DType dtype = DType::bf16;
  std::string config;  // a kernel's own name of a tile configuration; empty: the kernel chooses

  int groups() const { return static_cast<int>(rows.size()); }
  std::int64_t total_rows() const;  // without padding
  /// Where each group starts, and, as the last of groups() + 1 numbers, how many rows there are with padding.
  std::vector<std::int64_t> first_rows() const;
  DType output() const { return gemm_of_rows(1).output(); }
  std::int64_t weight_elements() const { return groups() * n * k; }

  /// The GEMM of a group of that many rows (at least 1), in the words of gemm.h.
  GemmProblem gemm_of_rows(std::int64_t group_rows) const;
};

struct GroupedGemmBuffers {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  const std::int32_t* rows = nullptr;  // [groups], on the device like a, b and d: the problem's `rows`
};

/// What lies between a group's buffers and the whole ones.  `first_row` is the group's of first_rows().
GemmBuffers buffers_of_group(const GroupedGemmProblem&, const GroupedGemmBuffers&, int group, std::int64_t first_row);

/// Elements of whole operands, padding included; `padded_rows` is first_rows().back().
struct GroupedGemmElements {
  std::int64_t a, b, d;
};
GroupedGemmElements elements_of(const GroupedGemmProblem&, std::int64_t padded_rows);

using GroupedGemmOperation = Operation<GroupedGemmBuffers>;
using GroupedGemmKernel = Kernel<GroupedGemmProblem, GroupedGemmBuffers>;

/// Every grouped GEMM kernel of this build, ours first.
const std::vector<GroupedGemmKernel>& grouped_gemm_kernels();

}  // namespace assay
