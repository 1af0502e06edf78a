#include "kernels/layer/cuda/grad_norm.h"

#include <cstring>

namespace assay {
namespace {

std::int64_t all_chunks(const GradNormProblem& p) {
  std::int64_t chunks = 0;
  for (const std::int64_t n : p.elements) chunks += GradNormProblem::chunks_of(n);
  return chunks;
}
std::int64_t chunk_table_at(const GradNormProblem& p) { return p.tensors() * std::int64_t(sizeof(std::int64_t)); }
std::int64_t partials_at(const GradNormProblem& p) {
  return chunk_table_at(p) + all_chunks(p) * std::int64_t(sizeof(std::int32_t));
}

}  // namespace

std::vector<std::uint8_t> grad_norm_tables(const GradNormProblem& p) {
  std::vector<std::int64_t> first_chunk;
  std::vector<std::int32_t> tensor_of;
  for (int tensor = 0; tensor < p.tensors(); ++tensor) {
    first_chunk.push_back(std::int64_t(tensor_of.size()));
    const std::int64_t chunks = GradNormProblem::chunks_of(p.elements[std::size_t(tensor)]);
    tensor_of.insert(tensor_of.end(), std::size_t(chunks), tensor);
  }
  std::vector<std::uint8_t> tables(std::size_t(partials_at(p)));
  std::memcpy(tables.data(), first_chunk.data(), std::size_t(chunk_table_at(p)));
  std::memcpy(tables.data() + chunk_table_at(p), tensor_of.data(), tensor_of.size() * sizeof(std::int32_t));
  return tables;
}

std::int64_t grad_norm_workspace_bytes(const GradNormProblem& p) {
  return partials_at(p) + all_chunks(p) * std::int64_t(sizeof(float));
}

std::vector<LaunchPlan<GradNormParams>> grad_norm_plans(const GradNormProblem& p, const GradNormBuffers& b,
                                                        void* workspace) {
  auto* bytes = static_cast<std::uint8_t*>(workspace);
  const bool bf16 = p.dtype == DType::bf16;
  GradNormParams params;
  params.gradients = b.gradients, params.elements = b.elements, params.result = b.result;
  params.first_chunk = reinterpret_cast<const std::int64_t*>(bytes);
  params.tensor_of = reinterpret_cast<const std::int32_t*>(bytes + chunk_table_at(p));
  params.partials = reinterpret_cast<float*>(bytes + partials_at(p));
  params.chunks = all_chunks(p), params.max_norm = p.max_norm;
  const std::int64_t chunks_of_block =
      kGradNormThreads * (kVectorBytes / std::int64_t(size_bytes(p.dtype))) / kGradNormLanes;
  std::vector<LaunchPlan<GradNormParams>> plans;
  if (params.chunks > 0)
    plans.push_back(
        {bf16 ? "grad_norm_partials<assay::layer_cuda::Bf16>" : "grad_norm_partials<assay::layer_cuda::F32>",
         {unsigned(ceil_div(params.chunks, chunks_of_block))},
         {kGradNormThreads},
         {},
         0,
         params});
  plans.push_back({"grad_norm_result", {1}, {kGradNormSums}, {}, 0, params});
  return plans;
}

Support supports_grad_norm_cuda(const GradNormProblem& p) {
  if (all_chunks(p) > INT32_MAX) return Support::no("more than 2^45 elements");
  return Support::yes();
}

}  // namespace assay
