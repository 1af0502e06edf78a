#include "harness/train/reference_gradients.h"

#include <algorithm>
#include <cmath>

namespace assay::reference {
namespace {

/// A value, and what its error is relative to.
struct Sized {
  double value = 0, size = 0;
};

Sized sized(double value, double usual) { return {value, std::max(std::abs(value), usual)}; }

}  // namespace

double root_mean_square(const Matrix& m) {
  double squares = 0;
  for (const double one : m) squares += one * one;
  return std::sqrt(squares / double(m.size()));
}

void AllGradients::product(const ParameterTensor& tensor, const Matrix& dy, const Matrix& x,
                           const std::vector<std::int64_t>&) {
  const auto tokens = std::int64_t(dy.size()) / tensor.rows;
  add_weight_gradient(dy, x, at(tensor), tokens, tensor.rows, tensor.columns);
}

void AllGradients::gains(const ParameterTensor& tensor, const Matrix& dy, const Matrix& x) {
  for (std::size_t i = 0; i < dy.size(); ++i) at(tensor)[std::int64_t(i) % tensor.columns] += dy[i] * x[i];
}

void AllGradients::rows(const ParameterTensor& tensor, const Matrix& dx, const std::vector<std::int32_t>& tokens) {
  for (std::size_t t = 0; t < tokens.size(); ++t)
    for (std::int64_t c = 0; c < tensor.columns; ++c)
      at(tensor)[tokens[t] * tensor.columns + c] += dx[t * std::size_t(tensor.columns) + std::size_t(c)];
}

SampledGradients::SampledGradients(std::vector<GradientSample>& samples) {
  for (GradientSample& one : samples) of_[one.tensor->offset] = &one;
}

/// `terms(row, column, add)` calls add(a, b) with each pair whose product is a term of that element.
template <class Terms>
void SampledGradients::fill(const ParameterTensor& tensor, const Terms& terms) {
  GradientSample& sample = *of_.at(tensor.offset);
  const auto count = sample.elements.size();
  sample.values.resize(count), sample.sizes.resize(count);
#pragma omp parallel for
  for (std::size_t i = 0; i < count; ++i) {
    double value = 0, squares = 0;
    const auto add = [&](const Sized& a, const Sized& b) {
      value += a.value * b.value;
      squares += a.size * a.size * b.size * b.size;
    };
    terms(sample.elements[i] / tensor.columns, sample.elements[i] % tensor.columns, add);
    sample.values[i] = value, sample.sizes[i] = std::sqrt(squares);
  }
}

void SampledGradients::product(const ParameterTensor& tensor, const Matrix& dy, const Matrix& x,
                               const std::vector<std::int64_t>& parts) {
  const auto rows = std::size_t(tensor.rows), columns = std::size_t(tensor.columns), tokens = dy.size() / rows;
  std::vector<double> usual;  // of each of dy's columns
  for (const std::int64_t part : parts) {
    double squares = 0;
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t r = usual.size(); r < usual.size() + std::size_t(part); ++r)
        squares += dy[t * rows + r] * dy[t * rows + r];
    usual.insert(usual.end(), std::size_t(part), std::sqrt(squares / double(tokens) / double(part)));
  }
  const double usual_x = root_mean_square(x);
  fill(tensor, [&](std::int64_t r, std::int64_t c, const auto& add) {
    for (std::size_t t = 0; t < tokens; ++t)
      add(sized(dy[t * rows + std::size_t(r)], usual[std::size_t(r)]), sized(x[t * columns + std::size_t(c)], usual_x));
  });
}

/// A probability's error is relative to itself, and as large as the logit's absolute one.
void SampledGradients::head(const ParameterTensor& tensor, const Matrix& dy, double logits_size, const Matrix& x) {
  const auto rows = std::size_t(tensor.rows), columns = std::size_t(tensor.columns), tokens = dy.size() / rows;
  const double usual_x = root_mean_square(x), factor = std::max(1.0, logits_size);
  fill(tensor, [&](std::int64_t r, std::int64_t c, const auto& add) {
    for (std::size_t t = 0; t < tokens; ++t) {
      const double d = dy[t * rows + std::size_t(r)];
      add(Sized{d, std::abs(d) * factor}, sized(x[t * columns + std::size_t(c)], usual_x));
    }
  });
}

void SampledGradients::gains(const ParameterTensor& tensor, const Matrix& dy, const Matrix& x) {
  const auto columns = std::size_t(tensor.columns);
  const double usual = root_mean_square(dy), usual_x = root_mean_square(x);
  fill(tensor, [&](std::int64_t, std::int64_t c, const auto& add) {
    for (std::size_t i = std::size_t(c); i < dy.size(); i += columns) add(sized(dy[i], usual), sized(x[i], usual_x));
  });
}

void SampledGradients::rows(const ParameterTensor& tensor, const Matrix& dx, const std::vector<std::int32_t>& tokens) {
  const double usual = root_mean_square(dx);
  fill(tensor, [&](std::int64_t r, std::int64_t c, const auto& add) {
    for (std::size_t t = 0; t < tokens.size(); ++t)
      if (tokens[t] == r) add(sized(dx[t * std::size_t(tensor.columns) + std::size_t(c)], usual), Sized{1, 1});
  });
}

}  // namespace assay::reference
