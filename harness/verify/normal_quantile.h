// The inverse of the normal distribution function by + - * / and sqrt alone, which IEEE 754 defines to the last bit:
// a library's log or exp may differ from one machine to the next.
#pragma once

namespace assay {

/// x with P(N(0,1) < x) = p, 0 < p < 1; relative error below 1e-13.
double normal_quantile(double p);

}  // namespace assay
