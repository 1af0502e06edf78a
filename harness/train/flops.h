// What a training step costs by each of the conventions in use, so that a model FLOP utilisation (MFU) can be compared
// with anybody's.  All count multiplications and additions of matrix products alone, backward as twice forward.
//
// Per token, forward, with L layers, width h, a query heads and k key-value heads of d, feed-forward width f,
// vocabulary V, sequence s:
//   linear     L (2 h d (a + 2 k) + 2 a d h + 3 * 2 h f)        attention   L 4 s a d       head   2 h V
// The embedding is a table look-up and costs none.
//
//   convention       per token and step                          in use by
//   full_attention   3 (linear + attention + head)               PaLM (arXiv 2204.02311, appendix B: 6 N + 12 L H Q T);
//                                                                Korthikanti et al. (2205.05198, eq. 7); MosaicML
//   causal           3 (linear + attention / 2 + head)           Megatron-LM and Megatron-Bridge today: a causal mask
//                                                                hides half of the pairs
//   recomputed       4 (linear + attention) + 3 head             Narayanan et al. (2104.04473, eq. 3): each layer's
//                                                                forward pass runs twice, whether it does here or not
//   six_n            6 N, N all parameters                       Kaplan et al. (2001.08361), most estimates in text
#pragma once
#include <cstdint>

#include "harness/train/model.h"

namespace assay {

enum class FlopConvention : std::uint8_t { full_attention, causal, recomputed, six_n };

inline constexpr FlopConvention kFlopConventions[] = {FlopConvention::full_attention, FlopConvention::causal,
                                                      FlopConvention::recomputed, FlopConvention::six_n};
constexpr const char* name(FlopConvention c) {
  constexpr const char* kNames[] = {"full_attention", "causal", "recomputed", "six_n"};
  return kNames[static_cast<int>(c)];
}

/// Of one token in one step of training on sequences of `sequence` tokens.
double flops_per_token(const TrainModel&, std::int64_t sequence, FlopConvention);

}  // namespace assay
