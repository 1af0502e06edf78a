#include <cmath>

#include "kernels/layer/embedding.h"

namespace assay {

std::string reason_ids_unfit(const EmbeddingProblem& problem, const std::int32_t* ids) {
  for (std::int64_t t = 0; t < problem.tokens; ++t)
    if (ids[t] < 0 || ids[t] >= problem.vocab)
      return "token " + std::to_string(t) + " has id " + std::to_string(ids[t]) + ", which is not in 0 .. " +
             std::to_string(problem.vocab - 1);
  return {};
}

// A sum of n numbers one after the other makes n roundings, of partial sums none of which exceeds all magnitudes
// together; their signs are random.
LayerRow embedding_reference_dw(const EmbeddingProblem& problem, const EmbeddingBuffers& host, std::int64_t row) {
  std::vector<std::int64_t> named;
  for (std::int64_t t = 0; t < problem.tokens; ++t)
    if (host.ids[t] == row) named.push_back(t);
  const double roundings = 2 * std::sqrt(double(named.size())) * unit_roundoff(DType::f32);
  LayerRow out;
  for (std::int64_t c = 0; c < problem.dim; ++c) {
    const double before = host.dw[row * problem.dim + c];
    double value = before, magnitude = std::abs(before);
    for (const std::int64_t t : named) {
      const double added = load_element(problem.dtype, host.dy, t * problem.dim + c);
      value += added;
      magnitude += std::abs(added);
    }
    out.add({value, roundings * magnitude});
  }
  return out;
}

}  // namespace assay
