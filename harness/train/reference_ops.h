// The parts of the fp64 step: each forward, and what it hands back through itself.
#pragma once
#include <cstdint>
#include <vector>

#include "harness/train/model.h"

namespace assay::reference {

using Matrix = std::vector<double>;  // row-major; its rows are tokens unless it says otherwise

/// y[rows, n] = x[rows, k] w[n, k]^T
Matrix linear(const Matrix& x, const double* w, std::int64_t rows, std::int64_t n, std::int64_t k);
/// dx[rows, k] = dy[rows, n] w[n, k]
Matrix linear_backward(const Matrix& dy, const double* w, std::int64_t rows, std::int64_t n, std::int64_t k);
/// Adds dy^T x to dw.
void add_weight_gradient(const Matrix& dy, const Matrix& x, double* dw, std::int64_t rows, std::int64_t n,
                         std::int64_t k);

/// y = gain x / sqrt(mean(x^2) + epsilon), row by row.
Matrix norm(const Matrix& x, const double* gain, std::int64_t rows, std::int64_t width);
Matrix norm_backward(const Matrix& dy, const Matrix& x, const double* gain, std::int64_t rows, std::int64_t width);
/// The same with gains of 1: what a gain's gradient has beside dy.
Matrix normalised(const Matrix& x, std::int64_t rows, std::int64_t width);

/// Turns the pairs (c, c + head_dim / 2) of every head of the queries and keys in rows of q, k and v by
/// position * base^(-2 c / head_dim); `sign` -1 turns back, which is the gradient's way.
void rope(const TrainModel&, Matrix& qkv, std::int64_t rows, std::int64_t sequence, double sign);

/// o[rows, q_width] of rows of q, k and v: causal softmax(q k^T / sqrt(head_dim)) v, sequence by sequence.
Matrix attention(const TrainModel&, const Matrix& qkv, std::int64_t batch, std::int64_t sequence);
Matrix attention_backward(const TrainModel&, const Matrix& d_o, const Matrix& qkv, std::int64_t batch,
                          std::int64_t sequence);

/// silu(gate) * up of rows [gate, up], each `width` wide.
Matrix swiglu(const Matrix& gate_up, std::int64_t rows, std::int64_t width);
Matrix swiglu_backward(const Matrix& dy, const Matrix& gate_up, std::int64_t rows, std::int64_t width);

/// The mean loss; turns `logits` into its gradient.
double cross_entropy(Matrix& logits, const std::vector<std::int32_t>& targets, std::int64_t vocabulary);

}  // namespace assay::reference
