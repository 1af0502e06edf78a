#include "tests/simt/attention/gradients_on_simt.h"

#include <cstring>

namespace assay {
namespace {

std::size_t bytes(const AttentionProblem& p, std::int64_t elements) {
  return static_cast<std::size_t>(storage_bytes(p.dtype, elements));
}

std::vector<unsigned char> download_bytes(const simt::DeviceHeap& heap, const void* device, std::size_t count) {
  return heap.download(static_cast<const unsigned char*>(device), count);
}

std::vector<std::int32_t> narrow(const std::vector<std::int64_t>& offsets) { return {offsets.begin(), offsets.end()}; }

}  // namespace

GradientsOnSimt::GradientsOnSimt(const AttentionProblem& p, const test::GradientInputs& inputs) : problem_(p) {
  buffers_.q = heap_.upload(inputs.q), buffers_.k = heap_.upload(inputs.k), buffers_.v = heap_.upload(inputs.v);
  buffers_.d_o = heap_.upload(inputs.d_o), buffers_.o = heap_.upload(inputs.o), buffers_.lse = heap_.upload(inputs.lse);
  buffers_.dq = heap_.allocate(bytes(p, p.q_elements()));
  buffers_.dk = heap_.allocate(bytes(p, p.k_elements()));
  buffers_.dv = heap_.allocate(bytes(p, p.v_elements()));
  if (!p.packed()) return;
  buffers_.q_offsets = heap_.upload(narrow(p.q_offsets));
  buffers_.kv_offsets = heap_.upload(narrow(p.kv_offsets));
}

void GradientsOnSimt::poison() {
  std::memset(buffers_.dq, 0xff, bytes(problem_, problem_.q_elements()));
  std::memset(buffers_.dk, 0xff, bytes(problem_, problem_.k_elements()));
  std::memset(buffers_.dv, 0xff, bytes(problem_, problem_.v_elements()));
}

test::Gradients GradientsOnSimt::download() const {
  return {download_bytes(heap_, buffers_.dq, bytes(problem_, problem_.q_elements())),
          download_bytes(heap_, buffers_.dk, bytes(problem_, problem_.k_elements())),
          download_bytes(heap_, buffers_.dv, bytes(problem_, problem_.v_elements()))};
}

simt::Options gradient_options(simt::DeviceHeap& heap, simt::Async async, std::uint64_t seed) {
  simt::Options options;
  options.async = async, options.seed = seed, options.heap = &heap;
  options.shuffle_schedule = async == simt::Async::Random;
  return options;
}

}  // namespace assay
