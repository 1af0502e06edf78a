// What becomes of the gradients of parameters that the fp64 step's backward pass comes by: all of them, or some.
#pragma once
#include <unordered_map>

#include "harness/train/reference.h"
#include "harness/train/reference_ops.h"

namespace assay::reference {

double root_mean_square(const Matrix&);

class GradientTaker {
 public:
  virtual ~GradientTaker() = default;
  /// dy[tokens, rows]^T x[tokens, columns].  `parts`: how many of dy's columns come from the same place, in order.
  virtual void product(const ParameterTensor&, const Matrix& dy, const Matrix& x,
                       const std::vector<std::int64_t>& parts) = 0;
  /// The same of the head: `logits_size` is the root mean square of what dy is the gradient of.
  virtual void head(const ParameterTensor&, const Matrix& dy, double logits_size, const Matrix& x) = 0;
  /// Column sums of dy[tokens, columns] * x.
  virtual void gains(const ParameterTensor&, const Matrix& dy, const Matrix& x) = 0;
  /// Row t of dx[tokens, columns] is added to row tokens[t].
  virtual void rows(const ParameterTensor&, const Matrix& dx, const std::vector<std::int32_t>& tokens) = 0;
};

class AllGradients final : public GradientTaker {
 public:
  explicit AllGradients(std::int64_t size) : g_(static_cast<std::size_t>(size), 0.0) {}
  void product(const ParameterTensor&, const Matrix& dy, const Matrix& x,
               const std::vector<std::int64_t>& parts) override;
  void head(const ParameterTensor& tensor, const Matrix& dy, double, const Matrix& x) override {
    product(tensor, dy, x, {});
  }
  void gains(const ParameterTensor&, const Matrix& dy, const Matrix& x) override;
  void rows(const ParameterTensor&, const Matrix& dx, const std::vector<std::int32_t>& tokens) override;
  std::vector<double> take() { return std::move(g_); }

 private:
  double* at(const ParameterTensor& tensor) { return g_.data() + tensor.offset; }

  std::vector<double> g_;
};

/// Fills in samples.
class SampledGradients final : public GradientTaker {
 public:
  explicit SampledGradients(std::vector<GradientSample>&);
  void product(const ParameterTensor&, const Matrix& dy, const Matrix& x,
               const std::vector<std::int64_t>& parts) override;
  void head(const ParameterTensor&, const Matrix& dy, double logits_size, const Matrix& x) override;
  void gains(const ParameterTensor&, const Matrix& dy, const Matrix& x) override;
  void rows(const ParameterTensor&, const Matrix& dx, const std::vector<std::int32_t>& tokens) override;

 private:
  template <class Terms>
  void fill(const ParameterTensor&, const Terms&);

  std::unordered_map<std::int64_t, GradientSample*> of_;  // by the tensor's offset
};

}  // namespace assay::reference
