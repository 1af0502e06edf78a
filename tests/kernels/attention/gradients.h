// Inputs of attention's backward pass on the host, as forward leaves them, and comparison of dq, dk and dv with the
// fp64 references.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"

namespace assay::test {

/// Host arrays in the problem's type, as raw bytes; o and lse are the reference's, rounded.
struct GradientInputs {
  std::vector<unsigned char> q, k, v, d_o, o;
  std::vector<float> lse;
  AttentionBuffers host() const;  // the inputs; no offsets: the problem has them
};

/// Standard normal, q and k times the given factors.
GradientInputs normal_gradient_inputs(const AttentionProblem&, unsigned seed, double q_factor = 1, double k_factor = 1);
/// The same, with every score of every query `logit` plus or minus about one.
GradientInputs constant_logit_gradient_inputs(const AttentionProblem&, unsigned seed, double logit);
/// o and lse of the q, k and v given: to be called again after changing them.
void run_forward(const AttentionProblem&, GradientInputs&);

struct Gradients {
  std::vector<unsigned char> dq, dk, dv;  // host arrays in the problem's type
};
/// Of the problem's sizes, every byte 0xff: NaN.
Gradients poisoned_gradients(const AttentionProblem&);

/// What dq, dk and dv are worst at: their error over what the reference allows (infinity for NaN), and where.
struct WorstGradient {
  double error_over_allowed = 0;
  std::string where{};
};
WorstGradient worst_gradient(const AttentionProblem&, const GradientInputs&, const Gradients&);
/// Empty where every element of dq, dk and dv is within the error that the reference allows; else the worst of them.
std::string gradient_mismatch(const AttentionProblem&, const GradientInputs&, const Gradients&);

/// For names of tests: letters, digits and underscores.
std::string gradient_case_name(const AttentionProblem&);

}  // namespace assay::test
