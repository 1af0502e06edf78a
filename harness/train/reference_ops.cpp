#include "harness/train/reference_ops.h"

#include <algorithm>
#include <cmath>

namespace assay::reference {
namespace {

double* row(Matrix& m, std::int64_t i, std::int64_t width) { return m.data() + i * width; }
const double* row(const Matrix& m, std::int64_t i, std::int64_t width) { return m.data() + i * width; }

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(double* y, double factor, const double* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Probabilities of query `i` over keys 0 .. i of head `h` in the sequence that begins at row `first`.
void probabilities(const TrainModel& m, const Matrix& qkv, std::int64_t first, std::int64_t i, std::int64_t h,
                   std::vector<double>& p) {
  const std::int64_t width = m.qkv_width(), group = m.heads / m.kv_heads;
  const double* q = row(qkv, first + i, width) + h * m.head_dim;
  const double scale = 1 / std::sqrt(double(m.head_dim));
  double largest = -INFINITY, sum = 0;
  for (std::int64_t j = 0; j <= i; ++j) {
    const double* k = row(qkv, first + j, width) + m.q_width() + h / group * m.head_dim;
    p[std::size_t(j)] = scale * dot(q, k, m.head_dim);
    largest = std::max(largest, p[std::size_t(j)]);
  }
  for (std::int64_t j = 0; j <= i; ++j) sum += p[std::size_t(j)] = std::exp(p[std::size_t(j)] - largest);
  for (std::int64_t j = 0; j <= i; ++j) p[std::size_t(j)] /= sum;
}

/// One sequence and key-value head, with every query head that reads it: nobody else adds to its dk and dv.
void backward_of_kv_head(const TrainModel& m, const Matrix& d_o, const Matrix& qkv, std::int64_t first,
                         std::int64_t sequence, std::int64_t kv_head, Matrix& dqkv) {
  const std::int64_t width = m.qkv_width(), group = m.heads / m.kv_heads, d = m.head_dim;
  const std::int64_t k_at = m.q_width() + kv_head * d, v_at = m.q_width() + m.kv_width() + kv_head * d;
  const double scale = 1 / std::sqrt(double(d));
  std::vector<double> p(static_cast<std::size_t>(sequence)), dp(static_cast<std::size_t>(sequence));
  for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
    for (std::int64_t i = 0; i < sequence; ++i) {
      probabilities(m, qkv, first, i, h, p);
      const double* dy = row(d_o, first + i, m.q_width()) + h * d;
      double delta = 0;
      for (std::int64_t j = 0; j <= i; ++j) {
        dp[std::size_t(j)] = dot(dy, row(qkv, first + j, width) + v_at, d);
        delta += p[std::size_t(j)] * dp[std::size_t(j)];
      }
      for (std::int64_t j = 0; j <= i; ++j) {
        const double ds = scale * p[std::size_t(j)] * (dp[std::size_t(j)] - delta);
        add_scaled(row(dqkv, first + j, width) + v_at, p[std::size_t(j)], dy, d);
        add_scaled(row(dqkv, first + i, width) + h * d, ds, row(qkv, first + j, width) + k_at, d);
        add_scaled(row(dqkv, first + j, width) + k_at, ds, row(qkv, first + i, width) + h * d, d);
      }
    }
}

}  // namespace

// Each row of w is read once for all rows of x: of large models, w is what takes the time.
Matrix linear(const Matrix& x, const double* w, std::int64_t rows, std::int64_t n, std::int64_t k) {
  Matrix y(static_cast<std::size_t>(rows * n));
#pragma omp parallel for
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t i = 0; i < rows; ++i) row(y, i, n)[j] = dot(row(x, i, k), w + j * k, k);
  return y;
}

Matrix linear_backward(const Matrix& dy, const double* w, std::int64_t rows, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t kColumns = 256;  // of dx, a thread's: some rows of it stay in its cache
  Matrix dx(static_cast<std::size_t>(rows * k), 0.0);
#pragma omp parallel for
  for (std::int64_t c = 0; c < k; c += kColumns)
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = 0; i < rows; ++i)
        add_scaled(row(dx, i, k) + c, row(dy, i, n)[j], w + j * k + c, std::min(kColumns, k - c));
  return dx;
}

void add_weight_gradient(const Matrix& dy, const Matrix& x, double* dw, std::int64_t rows, std::int64_t n,
                         std::int64_t k) {
#pragma omp parallel for
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t i = 0; i < rows; ++i) add_scaled(dw + j * k, row(dy, i, n)[j], row(x, i, k), k);
}

Matrix normalised(const Matrix& x, std::int64_t rows, std::int64_t width) {
  Matrix y(x.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    const double* in = row(x, i, width);
    const double inverse = 1 / std::sqrt(dot(in, in, width) / double(width) + kNormEpsilon);
    for (std::int64_t c = 0; c < width; ++c) row(y, i, width)[c] = in[c] * inverse;
  }
  return y;
}

Matrix norm(const Matrix& x, const double* gain, std::int64_t rows, std::int64_t width) {
  Matrix y = normalised(x, rows, width);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t c = 0; c < width; ++c) row(y, i, width)[c] *= gain[c];
  return y;
}

Matrix norm_backward(const Matrix& dy, const Matrix& x, const double* gain, std::int64_t rows, std::int64_t width) {
  Matrix dx(x.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    const double *in = row(x, i, width), *d = row(dy, i, width);
    const double inverse = 1 / std::sqrt(dot(in, in, width) / double(width) + kNormEpsilon);
    double along = 0;  // of the gradient, in the direction that normalising takes out
    for (std::int64_t c = 0; c < width; ++c) along += d[c] * gain[c] * in[c];
    for (std::int64_t c = 0; c < width; ++c)
      row(dx, i, width)[c] = inverse * (d[c] * gain[c] - in[c] * inverse * inverse * along / double(width));
  }
  return dx;
}

void rope(const TrainModel& m, Matrix& qkv, std::int64_t rows, std::int64_t sequence, double sign) {
  const std::int64_t half = m.head_dim / 2;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t h = 0; h < m.heads + m.kv_heads; ++h)
      for (std::int64_t c = 0; c < half; ++c) {
        const double angle = sign * double(i % sequence) * std::pow(kRopeBase, -2.0 * double(c) / double(m.head_dim));
        double& first = row(qkv, i, m.qkv_width())[h * m.head_dim + c];
        double& second = row(qkv, i, m.qkv_width())[h * m.head_dim + c + half];
        const double x = first, y = second;
        first = x * std::cos(angle) - y * std::sin(angle);
        second = y * std::cos(angle) + x * std::sin(angle);
      }
}

Matrix attention(const TrainModel& m, const Matrix& qkv, std::int64_t batch, std::int64_t sequence) {
  Matrix o(static_cast<std::size_t>(batch * sequence * m.q_width()), 0.0);
  const std::int64_t group = m.heads / m.kv_heads;
#pragma omp parallel for
  for (std::int64_t bh = 0; bh < batch * m.heads; ++bh) {
    const std::int64_t first = bh / m.heads * sequence, h = bh % m.heads;
    std::vector<double> p(static_cast<std::size_t>(sequence));
    for (std::int64_t i = 0; i < sequence; ++i) {
      probabilities(m, qkv, first, i, h, p);
      for (std::int64_t j = 0; j <= i; ++j)
        add_scaled(row(o, first + i, m.q_width()) + h * m.head_dim, p[std::size_t(j)],
                   row(qkv, first + j, m.qkv_width()) + m.q_width() + m.kv_width() + h / group * m.head_dim,
                   m.head_dim);
    }
  }
  return o;
}

Matrix attention_backward(const TrainModel& m, const Matrix& d_o, const Matrix& qkv, std::int64_t batch,
                          std::int64_t sequence) {
  Matrix dqkv(qkv.size(), 0.0);
#pragma omp parallel for
  for (std::int64_t bh = 0; bh < batch * m.kv_heads; ++bh)
    backward_of_kv_head(m, d_o, qkv, bh / m.kv_heads * sequence, sequence, bh % m.kv_heads, dqkv);
  return dqkv;
}

Matrix swiglu(const Matrix& gate_up, std::int64_t rows, std::int64_t width) {
  Matrix y(static_cast<std::size_t>(rows * width));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t c = 0; c < width; ++c) {
      const double gate = row(gate_up, i, 2 * width)[c], up = row(gate_up, i, 2 * width)[c + width];
      row(y, i, width)[c] = gate * sigmoid(gate) * up;
    }
  return y;
}

Matrix swiglu_backward(const Matrix& dy, const Matrix& gate_up, std::int64_t rows, std::int64_t width) {
  Matrix dx(gate_up.size());
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t c = 0; c < width; ++c) {
      const double gate = row(gate_up, i, 2 * width)[c], up = row(gate_up, i, 2 * width)[c + width];
      const double s = sigmoid(gate), d = row(dy, i, width)[c];
      row(dx, i, 2 * width)[c] = d * up * s * (1 + gate * (1 - s));
      row(dx, i, 2 * width)[c + width] = d * gate * s;
    }
  return dx;
}

double cross_entropy(Matrix& logits, const std::vector<std::int32_t>& targets, std::int64_t vocabulary) {
  const auto rows = std::int64_t(targets.size());
  double loss = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    double* z = row(logits, i, vocabulary);
    const double largest = *std::max_element(z, z + vocabulary), target = z[targets[std::size_t(i)]];
    double sum = 0;
    for (std::int64_t c = 0; c < vocabulary; ++c) sum += std::exp(z[c] - largest);
    loss += (std::log(sum) + largest - target) / double(rows);
    for (std::int64_t c = 0; c < vocabulary; ++c)
      z[c] = (std::exp(z[c] - largest) / sum - (c == targets[std::size_t(i)] ? 1 : 0)) / double(rows);
  }
  return loss;
}

}  // namespace assay::reference
