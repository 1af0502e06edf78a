// What the contracts of the operations between a transformer layer's products share.
//
// Every one of them moves far more bytes than it computes: its rate is shown as bytes per second, and `bytes()` of its
// problem says which bytes: every input read once, every output written once.
//
//   types        data in the problem's type (f32 or bf16); statistics, weight gradients and all arithmetic in fp32
//   rounding     to nearest, once, from fp32; of exact ties, either way, but where a contract says that it is exact
//   layout       row-major and packed, any number of columns; arrays begin on 16 bytes
//   aliases      an output may be the very array of an input of its shape and type (the skip connection's sum in
//                place); overlapping otherwise is not allowed.  A kernel reads an element, and what else its row needs,
//                before it writes there.
//   determinism  the same bits on every launch, with any number of threads: sums over tokens have a fixed order, no atomics
//   NaN          in a row of an input makes every element of an output that depends on it NaN
//   range        what is squared or multiplied on the way must stay within fp32: |x| up to about 1e18
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay {

enum class LayerPass : std::uint8_t { forward, backward };

constexpr const char* name(LayerPass p) { return p == LayerPass::forward ? "forward" : "backward"; }

/// One element's exact value (fp64), and the error that a kernel of the contract may make on it.
struct LayerElement {
  double value = 0, allowed = 0;
};
/// The same of a row.
struct LayerRow {
  std::vector<double> value, allowed;
  void add(const LayerElement& e) { value.push_back(e.value), allowed.push_back(e.allowed); }
};

}  // namespace assay
