// A graph of operations as cuDNN's backend API takes it, and the engines that the library has for it.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/attention/vendor/cudnn_library.h"

namespace assay {

/// For what device engines are sought: the handle's; or, where that is null, the one described.
struct CudnnDevice {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* properties = nullptr;
};

/// Of a tensor: batch, head, row, column.
struct CudnnShape {
  std::array<std::int64_t, 4> size, stride;
};

/// Operations are added one by one, then the graph is finalized.
class CudnnGraph {
 public:
  CudnnGraph(const CudnnLibrary&, const CudnnDevice&);

  /// A tensor is known by its unique id.
  using Tensor = std::int64_t;
  /// One whose address is given with each execution; `id` is the caller's choice, below kFirstOwnId.
  Tensor in_memory(Tensor id, cudnnDataType_t, const CudnnShape&);
  /// One that exists only within an engine's kernel.
  Tensor inside(cudnnDataType_t, const CudnnShape&);
  /// One number, kept here.
  Tensor constant(float);
  Tensor constant(std::int32_t);
  static constexpr Tensor kFirstOwnId = 100;

  void matmul(Tensor a, Tensor b, Tensor result);
  void pointwise(cudnnPointwiseMode_t, cudnnDataType_t math, Tensor x, Tensor result);
  void pointwise(cudnnPointwiseMode_t, cudnnDataType_t math, Tensor x, Tensor y, Tensor result);
  void index(std::int64_t axis, cudnnDataType_t math, Tensor like, Tensor result);
  void select(Tensor condition, Tensor then, Tensor otherwise, Tensor result);
  void reduce(cudnnReduceTensorOp_t, Tensor x, Tensor result);
  void reshape(Tensor x, Tensor result);
  void finalize();

  /// What was added, as plain data: by it the graph can be read, and computed without the library.
  struct Step {
    enum class Kind : std::uint8_t { matmul, pointwise, index, select, reduce, reshape } kind;
    int mode;  // a pointwise operation's or a reduction's; an index's axis
    std::vector<Tensor> inputs;
    Tensor result;
  };
  const std::vector<Step>& steps() const { return steps_; }
  const CudnnShape& shape(Tensor tensor) const { return shapes_.at(tensor); }

  const std::vector<Tensor>& tensors_in_memory() const { return in_memory_; }
  /// Addresses of the constants, by id.
  const std::map<Tensor, const void*>& constants() const { return constants_; }

  /// What the heuristic proposes, best guess first; none where the library cannot do the graph on this device.
  std::vector<CudnnDescriptor> engine_configs() const;
  /// Of one of those; throws where the engine refuses in the end.
  CudnnDescriptor plan(const CudnnDescriptor& engine_config) const;

 private:
  CudnnDescriptor& new_tensor(Tensor id, cudnnDataType_t, const CudnnShape&);
  Tensor new_constant(const void* value, cudnnDataType_t);
  CudnnDescriptor& new_operation(cudnnBackendDescriptorType_t, const char* name);
  CudnnDescriptor& new_pointwise(cudnnPointwiseMode_t, cudnnDataType_t math, std::int64_t axis = -1);

  const CudnnLibrary& cudnn_;
  CudnnDevice device_;
  Tensor next_id_ = kFirstOwnId;
  std::map<Tensor, CudnnDescriptor> tensors_;
  std::map<Tensor, CudnnShape> shapes_;
  std::vector<Step> steps_;
  std::vector<Tensor> in_memory_;
  std::map<Tensor, const void*> constants_;
  std::vector<std::unique_ptr<float>> floats_;
  std::vector<std::unique_ptr<std::int32_t>> integers_;
  std::vector<CudnnDescriptor> modes_, operations_;
  CudnnDescriptor graph_;
};

/// "engine 6, knobs 25=0 40=2": as the library numbers them.
std::string describe_cudnn_engine(const CudnnDescriptor& engine_config);

}  // namespace assay
