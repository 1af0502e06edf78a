#include "kernels/collectives/nccl_graph.h"

#include <stdexcept>

#include "kernels/common/cuda_check.h"

namespace assay {
namespace {

cudaStream_t stream_of(const CollectiveBuffers& set, std::size_t rank) {
  return static_cast<cudaStream_t>(set.streams[rank]);
}

/// Streams that are captured to: an exception must not leave one of them so, or all that comes later fails.
class Capture {
 public:
  explicit Capture(const CollectiveBuffers& set) : set_(set) {
    try {
      for (; begun_ < set.streams.size(); ++begun_)
        // Of this thread alone: NCCL's own threads go on as they would.
        ASSAY_CHECK_CUDA(cudaStreamBeginCapture(stream_of(set, begun_), cudaStreamCaptureModeThreadLocal));
    } catch (...) {
      abandon();
      throw;
    }
  }
  ~Capture() { abandon(); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Of the streams not ended yet, the first.
  cudaGraph_t end_next() {
    cudaGraph_t graph = nullptr;
    ASSAY_CHECK_CUDA(cudaStreamEndCapture(stream_of(set_, ended_++), &graph));
    return graph;
  }

 private:
  void abandon() {
    for (; ended_ < begun_; ++ended_) {
      cudaGraph_t graph = nullptr;
      if (cudaStreamEndCapture(stream_of(set_, ended_), &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
      cudaGetLastError();
    }
  }

  const CollectiveBuffers& set_;
  std::size_t begun_ = 0, ended_ = 0;
};

}  // namespace

void NcclGraphs::clear() {
  for (const auto& [output, executables] : graphs_)
    for (const cudaGraphExec_t executable : executables) cudaGraphExecDestroy(executable);
  graphs_.clear();
}

void NcclGraphs::capture(const CollectiveBuffers& set, const std::function<void()>& enqueue) {
  auto& executables = graphs_[set.output.front()];
  Capture capture(set);
  enqueue();
  std::vector<cudaGraph_t> graphs;
  for (std::size_t rank = 0; rank < set.streams.size(); ++rank) graphs.push_back(capture.end_next());
  for (std::size_t rank = 0; rank < graphs.size(); ++rank) {
    ASSAY_CHECK_CUDA(cudaSetDevice(devices_[rank]));
    cudaGraphExec_t executable = nullptr;
    ASSAY_CHECK_CUDA(cudaGraphInstantiate(&executable, graphs[rank], 0));
    executables.push_back(executable);
    ASSAY_CHECK_CUDA(cudaGraphDestroy(graphs[rank]));
    ASSAY_CHECK_CUDA(cudaGraphUpload(executable, stream_of(set, rank)));  // else the first launch does
  }
}

void NcclGraphs::launch(const CollectiveBuffers& set) const {
  const auto found = graphs_.find(set.output.front());
  if (found == graphs_.end()) throw std::logic_error("nccl: no graph was captured of these buffers");
  for (std::size_t rank = 0; rank < found->second.size(); ++rank)
    ASSAY_CHECK_CUDA(cudaGraphLaunch(found->second[rank], stream_of(set, rank)));
}

}  // namespace assay
